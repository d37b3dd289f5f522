/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records through a broker in the same process, in C++17. Build: c++ -std=c++17
 * produce_consume.cpp $(pkg-config --cflags --libs libkafscale)
 */
#define KAFSCALE_EXCEPTIONS
#include <kafscale/kafscale.hpp>

#include <iostream>

static void
run()
{
    using namespace std::chrono_literals;

    auto broker = kafscale::Broker::start({ { "listen", "127.0.0.1:0" }, { "store", "memory" } });
    auto producer = kafscale::Producer::open(*broker, [](const kafscale::Delivery &delivery) {
        std::cout << "delivered to offset " << delivery.offset << "\n";
    });
    auto consumer = kafscale::Consumer::open(*broker);

    producer->send("greetings", 0, { "key", "hello" }).value();
    producer->flush(10s).value();
    consumer->assign("greetings", 0).value();
    auto fetched = consumer->poll(10s);
    fetched
        ->for_each([](const kafscale::Record &record) {
            std::cout << *record.value() << " from offset " << record.offset() << "\n";
        })
        .value();
}

int
main()
{
    try {
        run();
    } catch (const kafscale::Exception &exception) {
        std::cerr << exception.what() << "\n";
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
