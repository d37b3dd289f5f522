// SPDX-License-Identifier: Apache-2.0
// Ten records to a topic with a template, and back with a listener: Spring for Apache Kafka.
import java.util.Map;
import java.util.concurrent.CountDownLatch;

import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.listener.MessageListener;

public class SpringOrders {
    public static void main(String[] arguments) throws Exception {
        String address = arguments.length > 0 ? arguments[0] : "127.0.0.1:9092";
        var producers = new DefaultKafkaProducerFactory<String, String>(
            Map.of("bootstrap.servers", address), new StringSerializer(), new StringSerializer());
        var template = new KafkaTemplate<>(producers);
        for (int i = 0; i < 10; i++) {
            template.send("orders", "" + i, "order " + i).get();
        }

        var left = new CountDownLatch(10);
        var properties = new ContainerProperties("orders");
        properties.setGroupId("billing");
        properties.setMessageListener((MessageListener<String, String>) record -> {
            System.out.println(record.value());
            left.countDown();
        });
        var container = new KafkaMessageListenerContainer<>(
            new DefaultKafkaConsumerFactory<String, String>(
                Map.of("bootstrap.servers", address, "auto.offset.reset", "earliest"),
                new StringDeserializer(), new StringDeserializer()),
            properties);
        container.start();
        left.await();
        container.stop();
        producers.destroy();
    }
}
