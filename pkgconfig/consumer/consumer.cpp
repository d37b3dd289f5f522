/* SPDX-License-Identifier: Apache-2.0 */
/* consumer.c as a program in C++ has it: what is made goes with what holds it. */
#include <kafscale/kafscale.hpp>

#include <chrono>
#include <cstdio>

using std::chrono::seconds;

static int
fail(const kafscale::Error &error)
{
    std::printf("%s\n", error.text());
    return 1;
}

static int
use_broker(kafscale::Broker &broker)
{
    auto producer = kafscale::Producer::open(broker);
    auto consumer = kafscale::Consumer::open(broker);

    if (!producer || !consumer) {
        return fail(producer ? consumer.error() : producer.error());
    }
    if (auto sent = producer->send("consumer", 0, { "a record" }); !sent) {
        return fail(sent.error());
    }
    if (auto assigned = consumer->assign("consumer", 0); !assigned) {
        return fail(assigned.error());
    }
    auto fetched = consumer->poll(seconds(10));
    if (!fetched) {
        return fail(fetched.error());
    }
    auto record = fetched->next();
    if (!record || record->value() != "a record") {
        return fail(record.error());
    }
    std::printf("kafscale %s on port %u: ready\n", kafscale_version(),
                static_cast<unsigned>(broker.port()));
    return 0;
}

int
main()
{
    auto broker = kafscale::Broker::start({ { "listen", "127.0.0.1:0" }, { "store", "memory" } },
                                          seconds(10));

    return broker ? use_broker(*broker) : fail(broker.error());
}
