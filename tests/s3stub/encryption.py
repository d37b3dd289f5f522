# SPDX-License-Identifier: Apache-2.0
"""What S3 says to a request that asks for encryption by the server: which headers go together,
which keys there are, and what the answers tell.
"""
from errors import S3Error

ALGORITHM = "x-amz-server-side-encryption"
KEY = ALGORITHM + "-aws-kms-key-id"
CONTEXT = ALGORITHM + "-context"
OWN_KEYS = ("AES256",)
SERVICE_KEYS = ("aws:kms", "aws:kms:dsse")


def check_put(headers, keys):
    """The headers of the answer. `keys` are those of the key service, the first its default."""
    algorithm, key = headers.get(ALGORITHM), headers.get(KEY)
    if algorithm is None and (key is not None or CONTEXT in headers):
        raise S3Error(400, "InvalidArgument", "Server Side Encryption with AWS KMS managed key "
                      "requires HTTP header %s : aws:kms" % ALGORITHM, ArgumentName=ALGORITHM)
    if algorithm is None:
        return {}
    if algorithm in OWN_KEYS:
        if key is not None:
            raise S3Error(400, "InvalidArgument", "%s goes with aws:kms" % KEY, ArgumentName=KEY)
        return {ALGORITHM: algorithm}
    if algorithm not in SERVICE_KEYS:
        raise S3Error(400, "InvalidEncryptionAlgorithmError",
                      "The encryption request you specified is not valid",
                      ArgumentName=ALGORITHM, ArgumentValue=algorithm)
    if key is None and keys:
        key = keys[0]
    if key not in keys:
        raise S3Error(400, "KMS.NotFoundException", "Key '%s' does not exist" % key)
    return {ALGORITHM: algorithm, KEY: key}


def check_get(headers):
    """A reader asks for nothing: the server knows."""
    if ALGORITHM in headers or KEY in headers:
        raise S3Error(400, "InvalidArgument",
                      "%s header is not supported for this operation." % ALGORITHM,
                      ArgumentName=ALGORITHM)


def check_policy(headers, required):
    """A bucket's policy that denies what isn't encrypted in this way."""
    if required is not None and headers.get(ALGORITHM) != required:
        raise S3Error(403, "AccessDenied", "the bucket's policy wants %s" % required)
