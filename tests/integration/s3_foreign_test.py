# SPDX-License-Identifier: Apache-2.0
"""Whether our S3 stub is honest: botocore, the client under all of AWS's Python tools, finds in it
what it expects of S3. The same tests run against real servers, which shows that they are true.

Usage: s3_foreign_test.py stub|stub-tls|rgw|minio
"""
import os
import socket
import sys

import botocore
import botocore.config
import botocore.session
from botocore.exceptions import ClientError

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import s3_servers
from tap import report, title

BUCKET = s3_servers.BUCKET
STRANGE_KEY = "a/b c+d&e'<f>%20?=~\u00e4\u20ac"
SERVER = None


def client(style="path", secret_key=None, token=None, region=None):
    session = botocore.session.get_session()
    return session.create_client(
        "s3", endpoint_url=SERVER.endpoint, region_name=region or SERVER.region,
        aws_access_key_id=SERVER.access_key, aws_session_token=token,
        aws_secret_access_key=secret_key or SERVER.secret_key, verify=SERVER.authority,
        config=botocore.config.Config(s3={"addressing_style": style}, signature_version="s3v4",
                                      retries={"max_attempts": 0}))


def refused(call, **arguments):
    """The code with which the server refuses a call."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("it was not refused")


def with_header(s3, operation, name, value):
    """Lets botocore send a header that this version of it has no argument for."""
    s3.meta.events.register("before-sign.s3." + operation,
                            lambda request, **_: request.headers.add_header(name, value))
    return s3


def object_comes_back_with_its_metadata():
    s3 = client()
    s3.put_object(Bucket=BUCKET, Key=STRANGE_KEY, Body=b"hello", Metadata={"writer": "w1"})
    got = s3.get_object(Bucket=BUCKET, Key=STRANGE_KEY)
    assert got["Body"].read() == b"hello"
    assert got["Metadata"] == {"writer": "w1"}
    head = s3.head_object(Bucket=BUCKET, Key=STRANGE_KEY)
    assert head["ContentLength"] == 5
    assert head["ETag"] == got["ETag"]
    s3.delete_object(Bucket=BUCKET, Key=STRANGE_KEY)
    assert refused(s3.get_object, Bucket=BUCKET, Key=STRANGE_KEY) == "NoSuchKey"
    assert refused(s3.head_object, Bucket=BUCKET, Key=STRANGE_KEY) == "404"
    s3.delete_object(Bucket=BUCKET, Key=STRANGE_KEY)


def ranges_are_those_of_s3():
    s3 = client()
    s3.put_object(Bucket=BUCKET, Key="range", Body=b"0123456789")
    for text, expected in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-3", b"789"),
                           ("bytes=8-100", b"89"), ("bytes=-100", b"0123456789")):
        got = s3.get_object(Bucket=BUCKET, Key="range", Range=text)
        assert got["Body"].read() == expected, text
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"].endswith("/10")
    code = refused(s3.get_object, Bucket=BUCKET, Key="range", Range="bytes=10-")
    assert code == "InvalidRange", code


def lists_are_paged_and_sorted():
    s3 = client()
    keys = ["list/%s" % name for name in ("a", "b c", "b/1", "b/2", "c+d", "d&", "e\u00e4")]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    pages = s3.get_paginator("list_objects_v2")

    def listed(**more):
        found = [page for page in pages.paginate(Bucket=BUCKET, Prefix="list/", **more)]
        return [item["Key"] for page in found for item in page.get("Contents", ())], found

    for size in (1, 2, 3, 100):
        names, found = listed(PaginationConfig={"PageSize": size})
        assert names == keys, (size, names)
        # Some servers find out only with an empty page that there is no more.
        assert len(found) - (len(keys) + size - 1) // size in (0, 1), (size, len(found))
    assert listed(StartAfter="list/b/1")[0] == keys[3:]
    names, found = listed(Delimiter="/", PaginationConfig={"PageSize": 2})
    assert names == [key for key in keys if not key.startswith("list/b/")]
    prefixes = [p["Prefix"] for page in found for p in page.get("CommonPrefixes", ())]
    assert prefixes == ["list/b/"], prefixes
    sizes = [item["Size"] for item in found[0]["Contents"]]
    assert sizes == [len(key.encode()) for key in keys[:2]], sizes


def many_are_deleted_at_once():
    s3 = client()
    keys = ["many/%03d" % i for i in range(30)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    asked = {"Objects": [{"Key": key} for key in keys + ["many/absent"]]}
    told = s3.delete_objects(Bucket=BUCKET, Delete=asked)
    assert sorted(d["Key"] for d in told["Deleted"]) == sorted(keys + ["many/absent"])
    assert "Errors" not in told
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="many/")["KeyCount"] == 0
    told = s3.delete_objects(Bucket=BUCKET, Delete={**asked, "Quiet": True})
    assert "Deleted" not in told


def put_if_absent_lets_one_win():
    s3 = with_header(client(), "PutObject", "If-None-Match", "*")
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"first")
    assert refused(s3.put_object, Bucket=BUCKET, Key="once", Body=b"second") == "PreconditionFailed"
    assert client().get_object(Bucket=BUCKET, Key="once")["Body"].read() == b"first"
    s3.delete_object(Bucket=BUCKET, Key="once")
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"third")


def put_if_match_sees_what_changed():
    tag = client().put_object(Bucket=BUCKET, Key="match", Body=b"1")["ETag"].strip('"')
    s3 = with_header(client(), "PutObject", "If-Match", tag)
    s3.put_object(Bucket=BUCKET, Key="match", Body=b"22")
    assert refused(s3.put_object, Bucket=BUCKET, Key="match", Body=b"3") == "PreconditionFailed"
    assert client().get_object(Bucket=BUCKET, Key="match")["Body"].read() == b"22"


def wrong_signature_is_refused():
    wrong = client(secret_key="wrong")
    for call in (wrong.put_object, wrong.get_object):
        assert refused(call, Bucket=BUCKET, Key="refused") == "SignatureDoesNotMatch"
    assert refused(client().get_object, Bucket=BUCKET, Key="refused") == "NoSuchKey"


def damaged_body_is_refused():
    code = refused(client().put_object, Bucket=BUCKET, Key="damaged", Body=b"not empty",
                   ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert code == "BadDigest", code


def bucket_is_made_once_and_lost_when_empty():
    s3 = client()
    s3.create_bucket(Bucket="another-bucket")
    s3.head_bucket(Bucket="another-bucket")
    s3.put_object(Bucket="another-bucket", Key="k", Body=b"1")
    assert refused(s3.delete_bucket, Bucket="another-bucket") == "BucketNotEmpty"
    s3.delete_object(Bucket="another-bucket", Key="k")
    s3.delete_bucket(Bucket="another-bucket")
    assert refused(s3.list_objects_v2, Bucket="another-bucket") == "NoSuchBucket"
    assert refused(s3.head_bucket, Bucket="another-bucket") == "404"


def lifecycle_is_kept_and_told():
    s3 = client()
    code = refused(s3.get_bucket_lifecycle_configuration, Bucket=BUCKET)
    assert code == "NoSuchLifecycleConfiguration", code
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 7}}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    told = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert len(told) == 1 and told[0]["ID"] == "old" and told[0]["Expiration"]["Days"] == 7, told
    s3.delete_bucket_lifecycle(Bucket=BUCKET)


def large_object_goes_both_ways():
    body = os.urandom(1 << 20) * 9
    s3 = client()
    s3.put_object(Bucket=BUCKET, Key="large", Body=body)
    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == body
    s3.delete_object(Bucket=BUCKET, Key="large")


def keys_from(**environment):
    """botocore's client with the keys that it finds by itself in this environment."""
    before = dict(os.environ)
    os.environ.update(environment, AWS_SHARED_CREDENTIALS_FILE="/nowhere",
                      AWS_CONFIG_FILE="/nowhere")
    try:
        session = botocore.session.get_session()
        found = session.get_credentials()
        assert found is not None, environment
        return session.create_client("s3", endpoint_url=SERVER.endpoint, verify=SERVER.authority,
                                     region_name=SERVER.region), found
    finally:
        os.environ.clear()
        os.environ.update(before)


def services_hand_out_keys_as_those_of_aws_do():
    if not SERVER.services:
        return "%s has no such services" % SERVER.name
    for kind, environment in (
            ("container", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": SERVER.services + "/container",
                           "AWS_CONTAINER_AUTHORIZATION_TOKEN": "stub-container"}),
            ("instance", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": SERVER.services})):
        before = SERVER.stats()["keys_given"][kind]
        s3, found = keys_from(**environment)
        assert found.token and found.access_key.startswith("STUB")
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"with a token")
        assert SERVER.stats()["keys_given"][kind] == before + 1
    sts = botocore.session.get_session().create_client(
        "sts", endpoint_url=SERVER.services, region_name=SERVER.region,
        config=botocore.config.Config(signature_version=botocore.UNSIGNED))
    asked = {"RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "name"}
    keys = sts.assume_role_with_web_identity(WebIdentityToken="stub-identity", **asked)
    keys = keys["Credentials"]
    client = SERVER.client(access_key=keys["AccessKeyId"], secret_key=keys["SecretAccessKey"],
                           token=keys["SessionToken"])
    assert client.put("k", b"with a role").status == 200
    code = refused(sts.assume_role_with_web_identity, WebIdentityToken="another", **asked)
    assert code == "InvalidIdentityToken", code
    return None


def look_up_loopback(_host, port, *_arguments, **_more):
    """Names below localhost, which not every resolver knows."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]


def virtual_host_names_the_bucket():
    if not SERVER.name.startswith("stub"):
        return "names of hosts are not set up for %s" % SERVER.name
    place, SERVER.endpoint = SERVER.endpoint, SERVER.endpoint.replace("127.0.0.1", "localhost")
    look_up, socket.getaddrinfo = socket.getaddrinfo, look_up_loopback
    try:
        client().put_object(Bucket=BUCKET, Key="virtual", Body=b"v")
        got = client("virtual").get_object(Bucket=BUCKET, Key="virtual")
    finally:
        SERVER.endpoint = place
        socket.getaddrinfo = look_up
    assert got["Body"].read() == b"v"
    return None


TESTS = (
    object_comes_back_with_its_metadata, ranges_are_those_of_s3, lists_are_paged_and_sorted,
    many_are_deleted_at_once, put_if_absent_lets_one_win, put_if_match_sees_what_changed,
    wrong_signature_is_refused, damaged_body_is_refused, bucket_is_made_once_and_lost_when_empty,
    lifecycle_is_kept_and_told, large_object_goes_both_ways, virtual_host_names_the_bucket,
    services_hand_out_keys_as_those_of_aws_do,
)


def main(name):
    global SERVER
    try:
        SERVER = s3_servers.SERVERS[name]()
    except s3_servers.Unavailable as reason:
        print("1..0 # SKIP %s" % reason)
        return 0
    with SERVER:
        SERVER.create_bucket()
        return report([(title(test), test) for test in TESTS])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
