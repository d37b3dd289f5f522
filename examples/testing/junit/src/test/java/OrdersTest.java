// SPDX-License-Identifier: Apache-2.0
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class OrdersTest {
    @RegisterExtension
    final Kafscale kafka = new Kafscale();

    @BeforeEach
    void makeTopic() throws Exception {
        kafka.command("create-topic", "name", "orders", "partitions", 1);
    }

    /** The code under test: sends an order, and returns the offset at which it is safe. */
    private long send(String order) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", kafka.bootstrap(), "retry.backoff.ms", 10);
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            return producer.send(new ProducerRecord<>("orders", order)).get().offset();
        }
    }

    @Test
    void ordersArrive() throws Exception {
        assertEquals(0, send("one"));
        kafka.command("wait-records", "topic", "orders", "count", 1, "timeout_ms", 10000);
    }

    @Test
    void lostAnswersRepeatNothing() throws Exception {
        kafka.command("fail-requests", "api", "Produce", "count", 1, "fate", "close_after");
        assertEquals(0, send("one"));
        assertEquals(1, send("two"));
    }

    @Test
    void killsLoseNothing() throws Exception {
        assertEquals(0, send("one"));
        kafka.command("restart", "end", "kill");
        assertEquals(1, send("two"));
    }
}
