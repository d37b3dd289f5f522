/* SPDX-License-Identifier: Apache-2.0 */
/* consumer.c as a program in C++ has it: what is made goes with what holds it. */
#include <kafscale/kafscale.h>

#include <cstdio>
#include <memory>

namespace {

struct Free {
    void operator()(kafscale_options *options) const
    {
        kafscale_options_free(options);
    }
    void operator()(kafscale_broker *broker) const
    {
        kafscale_broker_free(broker);
    }
};

using Options = std::unique_ptr<kafscale_options, Free>;
using Broker = std::unique_ptr<kafscale_broker, Free>;

} // namespace

int
main()
{
    const Options options(kafscale_options_new());
    kafscale_error error{ KAFSCALE_OK, "" };

    if (options == nullptr ||
        kafscale_options_set(options.get(), "listen", "127.0.0.1:0", &error) != KAFSCALE_OK ||
        kafscale_options_set(options.get(), "store", "memory", &error) != KAFSCALE_OK) {
        std::printf("%s\n", error.text);
        return 1;
    }
    const Broker broker(kafscale_broker_new(options.get(), &error));
    if (broker == nullptr || kafscale_broker_start(broker.get(), nullptr, &error) != KAFSCALE_OK ||
        kafscale_broker_wait_ready(broker.get(), 10000, &error) != KAFSCALE_OK) {
        std::printf("%s\n", error.text);
        return 1;
    }
    std::printf("kafscale %s on port %u: ready\n", kafscale_version(),
                static_cast<unsigned>(kafscale_broker_port(broker.get())));
    return 0;
}
