/* SPDX-License-Identifier: Apache-2.0 */
/* include/kafscale/kafscale.hpp without exceptions: prints TAP. */
#include <kafscale/kafscale.hpp>

#include <atomic>
#include <cstring>

using namespace std::chrono_literals;

static int test_count;
static int failure_count;

static void
check(bool is_ok, const char *what)
{
    test_count++;
    failure_count += is_ok ? 0 : 1;
    std::printf("%sok %d - %s\n", is_ok ? "" : "not ", test_count, what);
}

static kafscale::Result<kafscale::Broker>
start()
{
    return kafscale::Broker::start(
        { { "listen", "127.0.0.1:0" },
          { "store", "memory" },
          { "num.partitions", "3" },
          { "group.initial.rebalance.delay.ms", "0" } },
        10s);
}

static void
failures_are_told()
{
    auto options = kafscale::Options::make({ { "no.such.key", "1" } });
    auto broker = kafscale::Broker::start({ { "listen", "127.0.0.1:0" }, { "store", "nowhere" } });

    check(!options && options.error().status() == KAFSCALE_NOT_FOUND, "an unknown key is told");
    check(!broker && std::strlen(broker.error().text()) > 0, "why a broker doesn't start is told");
}

static void
records_go_round(kafscale::Broker &broker)
{
    std::atomic<int> delivered_count{ 0 };
    auto opened = kafscale::Producer::open(broker, [&](const kafscale::Delivery &delivery) {
        delivered_count += delivery.status == KAFSCALE_OK ? 1 : 0;
    });
    kafscale::Producer producer = std::move(*opened);
    auto consumer = kafscale::Consumer::open(broker);
    kafscale::Outgoing outgoing("key", std::nullopt);
    std::string seen;

    outgoing.headers = { { "one", "1" }, { "none", std::nullopt } };
    outgoing.timestamp_ms = 1700000000000;
    check(static_cast<bool>(producer.send("a", 2, outgoing)), "a record is taken");
    check(static_cast<bool>(producer.send("a", 2, { "" })), "an empty value is one");
    check(static_cast<bool>(producer.flush(10s)), "all is flushed");
    check(delivered_count == 2, "each record is told of");
    check(static_cast<bool>(consumer->assign("a", 2)), "a partition is assigned");
    auto fetched = consumer->poll(10s);
    check(fetched && fetched->topic() == "a" && fetched->partition() == 2, "records come");
    auto first = fetched->next();
    check(first && first->key() == "key" && !first->value() && first->offset() == 0 &&
              first->timestamp_ms() == 1700000000000,
          "a record is what was sent");
    check(first->header_count() == 2 && first->header(0).value == "1" && !first->header(1).value,
          "and so are its headers");
    check(static_cast<bool>(fetched->for_each([&](const kafscale::Record &record) {
              seen += record.value() && record.value()->empty() ? "empty" : "other";
          })) && seen == "empty",
          "for_each has the others");
    check(fetched->next().error().status() == KAFSCALE_NOT_FOUND, "and then there is none");
}

/* The second one goes on behind what the first one has committed. */
static void
groups_are_joined(kafscale::Broker &broker)
{
    kafscale_consumer_options options = KAFSCALE_CONSUMER_OPTIONS;

    options.group_id = "g";
    for (int i = 0; i < 2; i++) {
        auto producer = kafscale::Producer::open(broker);
        auto consumer = kafscale::Consumer::open(broker, options);

        check(static_cast<bool>(producer->send("c", 0, { i == 0 ? "one" : "two" })), "sent");
        check(static_cast<bool>(consumer->subscribe({ "c" })), "a topic is subscribed to");
        auto fetched = consumer->poll(10s);
        auto record = fetched ? fetched->next() : fetched.error();
        check(record && record->value() == (i == 0 ? "one" : "two"), "its member reads it");
        check(static_cast<bool>(consumer->commit(10s)), "and commits");
        check(static_cast<bool>(consumer->subscribe({})), "and leaves");
    }
}

static void
nothing_comes_from_nowhere(kafscale::Broker &broker)
{
    auto consumer = kafscale::Consumer::open(broker);
    auto fetched = consumer->poll(0ms);

    check(!fetched && fetched.error().status() == KAFSCALE_NOT_FOUND, "an empty poll is told");
    check(consumer->assign("a", -1).error().status() == KAFSCALE_INVALID, "wrong use is told");
}

/* The consumer and what it fetched are the last to go. */
static void
a_broker_may_go_first()
{
    std::optional<kafscale::Broker> broker(std::move(*start()));
    auto producer = kafscale::Producer::open(*broker);
    auto consumer = kafscale::Consumer::open(*broker);

    check(static_cast<bool>(producer->send("b", kafscale::any_partition, { "k", "v" })), "sent");
    check(static_cast<bool>(producer->flush(10s)), "flushed");
    broker.reset();
    check(producer->send("b", 0, { "late" }).error().status() == KAFSCALE_STOPPED,
          "a stopped broker is told of");
    check(consumer->poll(1s).error().status() == KAFSCALE_STOPPED, "by the consumer too");
}

int
main()
{
    auto broker = start();

    check(static_cast<bool>(broker), "a broker starts");
    check(broker->state() == KAFSCALE_BROKER_READY && broker->port() != 0 &&
              broker->address().substr(0, 10) == "127.0.0.1:",
          "and listens");
    failures_are_told();
    records_go_round(*broker);
    groups_are_joined(*broker);
    nothing_comes_from_nowhere(*broker);
    a_broker_may_go_first();
    std::printf("1..%d\n", test_count);
    return failure_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
