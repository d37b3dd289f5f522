// SPDX-License-Identifier: Apache-2.0
// A GoogleTest suite with a broker for each test. Build: c++ -std=c++17 orders_test.cpp
// $(pkg-config --cflags --libs gtest_main libkafscale rdkafka)
#include <gtest/gtest.h>
#include <kafscale/testing.h>
#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>

namespace {

constexpr int kLimitMs = 30000;

struct FreeProducer {
    void operator()(rd_kafka_t *producer) const { rd_kafka_destroy(producer); }
};

struct FreeKafka {
    void operator()(kafscale_testing *kafka) const { kafscale_testing_free(kafka); }
};

// The code under test: true when the order is safe.
bool SendOrder(const std::string &bootstrap, const std::string &order)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), why, sizeof why);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", why, sizeof why);
    rd_kafka_conf_set(conf, "retry.backoff.ms", "10", why, sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    std::unique_ptr<rd_kafka_t, FreeProducer> producer(
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why));
    rd_kafka_producev(producer.get(), RD_KAFKA_V_TOPIC("orders"),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                      RD_KAFKA_V_VALUE(const_cast<char *>(order.data()), order.size()),
                      RD_KAFKA_V_END);
    return rd_kafka_flush(producer.get(), kLimitMs) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

class Orders : public testing::Test {
protected:
    void SetUp() override
    {
        const kafscale_testing_topic topic = { "orders", 1, nullptr };
        kafscale_testing_options options = {};
        kafscale_error error = {};
        options.size = sizeof options;
        options.topics = &topic;
        options.topic_count = 1;
        kafka.reset(kafscale_testing_start(&options, &error));
        ASSERT_NE(kafka, nullptr) << error.text;
    }

    bool Send(const std::string &order)
    {
        return SendOrder(kafscale_testing_bootstrap(kafka.get()), order);
    }

    void FailProduce(kafscale_testing_fate fate, int16_t code)
    {
        kafscale_testing_fault fault = {};
        fault.size = sizeof fault;
        fault.api = "Produce";
        fault.count = 1;
        fault.fate = fate;
        fault.error = code;
        ASSERT_EQ(kafscale_testing_fail_requests(kafka.get(), &fault, nullptr), KAFSCALE_OK);
    }

    // Exactly so many: waiting for one more must be in vain.
    void ExpectOrders(int64_t count)
    {
        EXPECT_EQ(
            kafscale_testing_wait_records(kafka.get(), "orders", -1, count, kLimitMs, nullptr),
            KAFSCALE_OK);
        EXPECT_EQ(
            kafscale_testing_wait_records(kafka.get(), "orders", -1, count + 1, 0, nullptr),
            KAFSCALE_UNAVAILABLE);
    }

    std::unique_ptr<kafscale_testing, FreeKafka> kafka;
};

TEST_F(Orders, Arrive)
{
    EXPECT_TRUE(Send("one"));
    ExpectOrders(1);
}

TEST_F(Orders, AreNotRepeatedWhenAnAnswerIsLost)
{
    FailProduce(KAFSCALE_TESTING_CLOSE_AFTER, 0);
    EXPECT_TRUE(Send("one"));
    ExpectOrders(1);
}

TEST_F(Orders, SurviveAKill)
{
    EXPECT_TRUE(Send("one"));
    ASSERT_EQ(
        kafscale_testing_restart(kafka.get(), KAFSCALE_TESTING_KILLED, kLimitMs, nullptr),
        KAFSCALE_OK);
    EXPECT_TRUE(Send("two"));
    ExpectOrders(2);
}

} // namespace
