// SPDX-License-Identifier: Apache-2.0
// Ten records to a topic, and back in a consumer group: the client of Apache Kafka.
import java.time.Duration;
import java.util.List;
import java.util.Map;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Orders {
    public static void main(String[] arguments) {
        String address = arguments.length > 0 ? arguments[0] : "127.0.0.1:9092";

        try (var producer = new KafkaProducer<String, String>(
                Map.of("bootstrap.servers", address),
                new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>("orders", "" + i, "order " + i));
            }
        }
        try (var consumer = new KafkaConsumer<String, String>(
                Map.of("bootstrap.servers", address, "group.id", "billing",
                       "auto.offset.reset", "earliest"),
                new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("orders"));
            for (int count = 0; count < 10;) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    System.out.println(record.value());
                    count++;
                }
            }
        }
    }
}
