/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library for C++17: the same objects with owners, nothing more. Header only; what it does not
 * cover is reached by get() and the C functions.
 *
 *     auto broker = kafscale::Broker::start({{"store", "memory"}, {"listen", "127.0.0.1:0"}});
 *     if (!broker) { std::cerr << broker.error().text(); }
 *     auto producer = kafscale::Producer::open(*broker);
 *     producer->send("orders", kafscale::any_partition, {"key", "value"});
 *     producer->flush();
 *
 * What can fail returns a Result, which converts to bool. Nothing here throws, and no exception
 * passes through the library: one that leaves a callback ends the program. With
 * KAFSCALE_EXCEPTIONS defined before this header is included, Result::value() throws
 * kafscale::Exception where there is no value; without it that is an error of the program, which
 * ends.
 *
 * Objects are moved, not copied. Threads are those of the C functions (kafscale/broker.h and so
 * on). A broker may go before its producers and consumers or after them.
 */
#ifndef KAFSCALE_KAFSCALE_HPP
#define KAFSCALE_KAFSCALE_HPP

#include "kafscale/kafscale.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#ifdef KAFSCALE_EXCEPTIONS
#include <stdexcept>
#endif

namespace kafscale {

/* --- Errors ----------------------------------------------------------------------------------- */

class Error {
  public:
    Error() noexcept : error_{} {}
    explicit Error(const kafscale_error &error) noexcept : error_(error) {}

    kafscale_status status() const noexcept { return error_.status; }
    const char *text() const noexcept { return error_.text; }

  private:
    kafscale_error error_;
};

#ifdef KAFSCALE_EXCEPTIONS
class Exception : public std::runtime_error {
  public:
    explicit Exception(const Error &error) : std::runtime_error(error.text()), error_(error) {}

    const Error &error() const noexcept { return error_; }

  private:
    Error error_;
};
#endif

namespace detail {

[[noreturn]] inline void
no_value(const Error &error)
{
#ifdef KAFSCALE_EXCEPTIONS
    throw Exception(error);
#else
    std::fprintf(stderr, "kafscale: a failure that nobody looked at: %s\n", error.text());
    std::abort();
#endif
}

} // namespace detail

/* A value, or why there is none. */
template <typename T> class [[nodiscard]] Result {
  public:
    Result(T value) noexcept : value_(std::move(value)) {}
    Result(const Error &error) noexcept : error_(error) {}

    explicit operator bool() const noexcept { return value_.has_value(); }

    /* Of a failure; empty with a value. */
    const Error &error() const noexcept { return error_; }

    T &value()
    {
        if (!value_) {
            detail::no_value(error_);
        }
        return *value_;
    }

    T &operator*() { return value(); }
    T *operator->() { return &value(); }

  private:
    std::optional<T> value_;
    Error error_;
};

/* Success, or why not. */
template <> class [[nodiscard]] Result<void> {
  public:
    Result() noexcept = default;
    Result(const Error &error) noexcept : error_(error), is_ok_(false) {}

    explicit operator bool() const noexcept { return is_ok_; }
    const Error &error() const noexcept { return error_; }

    void value() const
    {
        if (!is_ok_) {
            detail::no_value(error_);
        }
    }

  private:
    Error error_;
    bool is_ok_ = true;
};

namespace detail {

inline Result<void>
result_of(kafscale_status status, const kafscale_error &error) noexcept
{
    return status == KAFSCALE_OK ? Result<void>() : Result<void>(Error(error));
}

inline kafscale_slice
slice_of(std::string_view bytes) noexcept
{
    return { reinterpret_cast<const std::uint8_t *>(bytes.data() == nullptr ? "" : bytes.data()),
             bytes.size() };
}

inline kafscale_slice
slice_of(const std::optional<std::string_view> &bytes) noexcept
{
    return bytes ? slice_of(*bytes) : kafscale_slice{ nullptr, 0 };
}

inline std::optional<std::string_view>
view_of(kafscale_slice bytes) noexcept
{
    if (bytes.data == nullptr) {
        return std::nullopt;
    }
    return std::string_view(reinterpret_cast<const char *>(bytes.data), bytes.size);
}

inline std::int64_t
milliseconds_of(std::chrono::milliseconds time) noexcept
{
    return time.count();
}

template <auto free> struct Free {
    template <typename T> void operator()(T *object) const noexcept { free(object); }
};

} // namespace detail

/* As a time that a call may take: for ever. */
inline constexpr std::chrono::milliseconds for_ever{ -1 };

/* As a partition: the one that the key says, or any. */
inline constexpr std::int32_t any_partition = -1;

/* --- Broker ----------------------------------------------------------------------------------- */

/* Keys and values as in docs/configuration.md. */
using Settings = std::initializer_list<std::pair<const char *, const char *>>;

class Options {
  public:
    /* All at their defaults. */
    static Result<Options> make() noexcept
    {
        kafscale_error error{ KAFSCALE_NO_MEMORY, "options: no memory" };
        kafscale_options *options = kafscale_options_new();

        if (options == nullptr) {
            return Error(error);
        }
        return Options(options);
    }

    static Result<Options> make(Settings settings) noexcept
    {
        Result<Options> options = make();

        for (const auto &[key, value] : settings) {
            if (!options) {
                break;
            }
            if (Result<void> set = options->set(key, value); !set) {
                return set.error();
            }
        }
        return options;
    }

    Result<void> set(const char *key, const char *value) noexcept
    {
        kafscale_error error{};
        kafscale_status status = kafscale_options_set(get(), key, value, &error);

        return detail::result_of(status, error);
    }

    kafscale_options *get() const noexcept { return options_.get(); }

  private:
    explicit Options(kafscale_options *options) noexcept : options_(options) {}

    std::unique_ptr<kafscale_options, detail::Free<kafscale_options_free>> options_;
};

/* A broker on a thread of its own; it is stopped with its object. */
class Broker {
  public:
    /* Waits until it serves. */
    static Result<Broker> start(const Options &options,
                                std::chrono::milliseconds timeout = for_ever) noexcept
    {
        kafscale_error error{};
        Broker broker(kafscale_broker_new(options.get(), &error));

        if (broker.get() == nullptr ||
            kafscale_broker_start(broker.get(), nullptr, &error) != KAFSCALE_OK ||
            kafscale_broker_wait_ready(broker.get(), detail::milliseconds_of(timeout), &error) !=
                KAFSCALE_OK) {
            return Error(error);
        }
        return broker;
    }

    static Result<Broker> start(Settings settings,
                                std::chrono::milliseconds timeout = for_ever) noexcept
    {
        Result<Options> options = Options::make(settings);

        return options ? start(*options, timeout) : Result<Broker>(options.error());
    }

    enum kafscale_broker_state state() const noexcept { return kafscale_broker_state(get()); }
    std::uint16_t port() const noexcept { return kafscale_broker_port(get()); }

    /* Where clients of this listener connect to. */
    std::string_view address(std::size_t listener = 0) const noexcept
    {
        const char *address = kafscale_broker_address(get(), listener);

        return address == nullptr ? std::string_view() : std::string_view(address);
    }

    struct kafscale_broker *get() const noexcept { return broker_.get(); }

  private:
    explicit Broker(struct kafscale_broker *broker) noexcept : broker_(broker) {}

    std::unique_ptr<struct kafscale_broker, detail::Free<kafscale_broker_free>> broker_;
};

/* --- Records ---------------------------------------------------------------------------------- */

struct Header {
    std::string_view key;
    std::optional<std::string_view> value;
};

/* To be sent: borrowed for the call. A key or value that isn't there is null, not empty. */
struct Outgoing {
    Outgoing(std::optional<std::string_view> v) noexcept : value(v) {}
    Outgoing(std::optional<std::string_view> k, std::optional<std::string_view> v) noexcept
        : key(k), value(v)
    {
    }

    std::optional<std::string_view> key;
    std::optional<std::string_view> value;
    std::vector<Header> headers;
    std::int64_t timestamp_ms = -1; /* now */
};

/* One that was read: valid until the next one is. */
class Record {
  public:
    explicit Record(const kafscale_record &record) noexcept : record_(record) {}

    std::int64_t offset() const noexcept { return record_.offset; }
    std::int64_t timestamp_ms() const noexcept { return record_.timestamp_ms; }
    std::optional<std::string_view> key() const noexcept { return detail::view_of(record_.key); }
    std::optional<std::string_view> value() const noexcept
    {
        return detail::view_of(record_.value);
    }
    std::size_t header_count() const noexcept { return record_.header_count; }
    Header header(std::size_t index) const noexcept
    {
        const kafscale_header &header = record_.headers[index];

        return { *detail::view_of(header.key), detail::view_of(header.value) };
    }
    const kafscale_record &get() const noexcept { return record_; }

  private:
    kafscale_record record_;
};

/* --- Producer --------------------------------------------------------------------------------- */

using Delivery = kafscale_delivery;

class Producer {
  public:
    /* Called once for each record, on the broker's thread; it must not throw. */
    using Delivered = std::function<void(const Delivery &)>;

    static Result<Producer> open(const Broker &broker, Delivered delivered = nullptr) noexcept
    {
        kafscale_producer_options options = KAFSCALE_PRODUCER_OPTIONS;

        return open(broker, options, std::move(delivered));
    }

    /* `delivered` and its argument in the options are not looked at. */
    static Result<Producer> open(const Broker &broker, kafscale_producer_options options,
                                 Delivered delivered = nullptr) noexcept
    {
        auto kept = std::make_unique<Delivered>(std::move(delivered));
        kafscale_error error{};

        options.delivered = *kept ? on_delivered : nullptr;
        options.delivered_arg = kept.get();
        Producer producer(kafscale_producer_new(broker.get(), &options, &error), std::move(kept));
        if (producer.get() == nullptr) {
            return Error(error);
        }
        return producer;
    }

    Result<void> send(const char *topic, std::int32_t partition, const Outgoing &outgoing,
                      void *opaque = nullptr) noexcept
    {
        std::vector<kafscale_header> headers;
        kafscale_record record{};
        kafscale_error error{};

        headers.reserve(outgoing.headers.size());
        for (const Header &header : outgoing.headers) {
            headers.push_back({ detail::slice_of(header.key), detail::slice_of(header.value) });
        }
        record.timestamp_ms = outgoing.timestamp_ms;
        record.key = detail::slice_of(outgoing.key);
        record.value = detail::slice_of(outgoing.value);
        record.headers = headers.data();
        record.header_count = headers.size();
        kafscale_status status =
            kafscale_producer_send(get(), topic, partition, &record, opaque, &error);
        return detail::result_of(status, error);
    }

    Result<void> flush(std::chrono::milliseconds timeout = for_ever) noexcept
    {
        kafscale_error error{};
        kafscale_status status =
            kafscale_producer_flush(get(), detail::milliseconds_of(timeout), &error);

        return detail::result_of(status, error);
    }

    kafscale_producer *get() const noexcept { return producer_.get(); }

  private:
    Producer(kafscale_producer *producer, std::unique_ptr<Delivered> delivered) noexcept
        : delivered_(std::move(delivered)), producer_(producer)
    {
    }

    static void on_delivered(void *arg, const kafscale_delivery *delivery) noexcept
    {
        (*static_cast<Delivered *>(arg))(*delivery);
    }

    /* In this order: the producer goes first, and tells of what was under way. */
    std::unique_ptr<Delivered> delivered_;
    std::unique_ptr<kafscale_producer, detail::Free<kafscale_producer_free>> producer_;
};

/* --- Consumer --------------------------------------------------------------------------------- */

/* Records of one partition; it may outlive consumer and broker. */
class Fetched {
  public:
    explicit Fetched(kafscale_fetched *fetched) noexcept : fetched_(fetched) {}

    std::string_view topic() const noexcept { return kafscale_fetched_topic(get()); }
    std::int32_t partition() const noexcept { return kafscale_fetched_partition(get()); }
    std::int64_t high_watermark() const noexcept { return kafscale_fetched_high_watermark(get()); }

    /* Of Kafka; 0, or why the partition is read no more. */
    std::int16_t kafka_error() const noexcept { return kafscale_fetched_error(get()); }

    /* The next record; KAFSCALE_NOT_FOUND after the last one. */
    Result<Record> next() noexcept
    {
        kafscale_record record;
        kafscale_error error{};
        kafscale_status status = kafscale_fetched_next(get(), &record, &error);

        if (status == KAFSCALE_OK) {
            return Record(record);
        }
        error.status = status;
        return Error(error);
    }

    /* Calls `visit` with each record that is left; the first failure ends it. */
    template <typename Visit> Result<void> for_each(Visit visit)
    {
        for (;;) {
            Result<Record> record = next();

            if (record) {
                visit(*record);
            } else if (record.error().status() == KAFSCALE_NOT_FOUND) {
                return {};
            } else {
                return record.error();
            }
        }
    }

    kafscale_fetched *get() const noexcept { return fetched_.get(); }

  private:
    std::unique_ptr<kafscale_fetched, detail::Free<kafscale_fetched_free>> fetched_;
};

class Consumer {
  public:
    static Result<Consumer> open(const Broker &broker) noexcept
    {
        kafscale_consumer_options options = KAFSCALE_CONSUMER_OPTIONS;

        return open(broker, options);
    }

    static Result<Consumer> open(const Broker &broker,
                                 const kafscale_consumer_options &options) noexcept
    {
        kafscale_error error{};
        Consumer consumer(kafscale_consumer_new(broker.get(), &options, &error));

        if (consumer.get() == nullptr) {
            return Error(error);
        }
        return consumer;
    }

    Result<void> assign(const char *topic, std::int32_t partition,
                        std::int64_t offset = KAFSCALE_OFFSET_EARLIEST) noexcept
    {
        kafscale_error error{};
        kafscale_status status = kafscale_consumer_assign(get(), topic, partition, offset, &error);

        return detail::result_of(status, error);
    }

    Result<void> unassign(const char *topic, std::int32_t partition) noexcept
    {
        kafscale_error error{};
        kafscale_status status = kafscale_consumer_unassign(get(), topic, partition, &error);

        return detail::result_of(status, error);
    }

    /* With a group_id in the options; no topics: it leaves the group. */
    Result<void> subscribe(std::initializer_list<const char *> topics) noexcept
    {
        kafscale_error error{};
        kafscale_status status =
            kafscale_consumer_subscribe(get(), topics.begin(), topics.size(), &error);

        return detail::result_of(status, error);
    }

    /* KAFSCALE_CONFLICT: the group has gone on without this consumer. */
    Result<void> commit(std::chrono::milliseconds timeout = for_ever) noexcept
    {
        kafscale_error error{};
        kafscale_status status =
            kafscale_consumer_commit(get(), detail::milliseconds_of(timeout), &error);

        return detail::result_of(status, error);
    }

    /* KAFSCALE_NOT_FOUND: nothing came within the time. */
    Result<Fetched> poll(std::chrono::milliseconds timeout = for_ever) noexcept
    {
        kafscale_error error{};
        kafscale_fetched *fetched =
            kafscale_consumer_poll(get(), detail::milliseconds_of(timeout), &error);

        if (fetched == nullptr) {
            return Error(error);
        }
        return Fetched(fetched);
    }

    kafscale_consumer *get() const noexcept { return consumer_.get(); }

  private:
    explicit Consumer(kafscale_consumer *consumer) noexcept : consumer_(consumer) {}

    std::unique_ptr<kafscale_consumer, detail::Free<kafscale_consumer_free>> consumer_;
};

} // namespace kafscale

#endif
