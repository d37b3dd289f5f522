// SPDX-License-Identifier: Apache-2.0
// Spring for Apache Kafka: COUNT numbers from FIRST go to a topic by a template and come to a
// listener in three threads, each a line. 13 is never taken, so it must go to the topic of dead
// letters, which has a listener, too. At LAST the process is gone at once; else it runs until it is
// told to end.
//
//     SpringListeners ADDRESS BATCH|RECORD FIRST COUNT [LAST]
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.EnableKafka;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.config.KafkaListenerEndpointRegistry;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties.AckMode;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.kafka.listener.MessageListenerContainer;
import org.springframework.util.backoff.FixedBackOff;

@Configuration(proxyBeanMethods = false)
@EnableKafka
public class SpringListeners {
    private static final int POISON = 13;

    private static String address;
    private static AckMode mode;
    private static int last = -1;

    @Bean
    public ProducerFactory<String, String> producers() {
        return new DefaultKafkaProducerFactory<>(
            Map.of("bootstrap.servers", address), new StringSerializer(), new StringSerializer());
    }

    @Bean
    public KafkaTemplate<String, String> template(ProducerFactory<String, String> producers) {
        return new KafkaTemplate<>(producers);
    }

    @Bean
    public ConsumerFactory<String, String> consumers() {
        var properties = new HashMap<String, Object>();
        properties.put("bootstrap.servers", address);
        properties.put("auto.offset.reset", "earliest");
        return new DefaultKafkaConsumerFactory<>(
            properties, new StringDeserializer(), new StringDeserializer());
    }

    @Bean
    public ConcurrentKafkaListenerContainerFactory<String, String> kafkaListenerContainerFactory(
            ConsumerFactory<String, String> consumers, KafkaTemplate<String, String> template) {
        var factory = new ConcurrentKafkaListenerContainerFactory<String, String>();
        factory.setConsumerFactory(consumers);
        factory.setConcurrency(3);
        factory.getContainerProperties().setAckMode(mode);
        factory.setCommonErrorHandler(new DefaultErrorHandler(
            new DeadLetterPublishingRecoverer(template), new FixedBackOff(100, 2)));
        return factory;
    }

    @Bean
    public Listeners listeners() {
        return new Listeners();
    }

    public static class Listeners {
        @KafkaListener(topics = "numbers", groupId = "listeners")
        public void hear(ConsumerRecord<String, String> record) {
            int number = Integer.parseInt(record.value());
            say("heard", number);
            if (number == POISON) {
                throw new IllegalArgumentException("not this one");
            }
            if (number == last) {
                Runtime.getRuntime().halt(9);
            }
        }

        @KafkaListener(topics = "numbers-dlt", groupId = "undertakers")
        public void bury(ConsumerRecord<String, String> record) {
            say("buried", Integer.parseInt(record.value()));
        }

        private void say(String what, int number) {
            System.out.println(what + " " + number + " " + Thread.currentThread().getName());
        }
    }

    /** Until each of its threads has a partition: a rebalance would try 13 more often. */
    private static void awaitShares(MessageListenerContainer container) {
        var threads = ((ConcurrentMessageListenerContainer<?, ?>) container).getContainers();
        while (!threads.stream().allMatch(thread -> {
            var assigned = thread.getAssignedPartitions();
            return assigned != null && !assigned.isEmpty();
        })) {
            LockSupport.parkNanos(10_000_000);
        }
    }

    public static void main(String[] arguments) throws Exception {
        address = arguments[0];
        mode = AckMode.valueOf(arguments[1]);
        int first = Integer.parseInt(arguments[2]);
        int count = Integer.parseInt(arguments[3]);
        last = arguments.length > 4 ? Integer.parseInt(arguments[4]) : -1;

        var context = new AnnotationConfigApplicationContext(SpringListeners.class);
        context.registerShutdownHook();
        KafkaTemplate<String, String> template = context.getBean(KafkaTemplate.class);
        var registry = context.getBean(KafkaListenerEndpointRegistry.class);
        registry.getListenerContainers().forEach(SpringListeners::awaitShares);
        for (int i = first; i < first + count; i++) {
            template.send("numbers", i % 4, "" + i, "" + i);
        }
        template.flush();
        Thread.currentThread().join();
    }
}
