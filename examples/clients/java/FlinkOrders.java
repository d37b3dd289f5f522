// SPDX-License-Identifier: Apache-2.0
// Ten records to a topic and back in two jobs: Flink's sink and source.
import java.util.stream.IntStream;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

public class FlinkOrders {
    public static void main(String[] arguments) throws Exception {
        String address = arguments.length > 0 ? arguments[0] : "127.0.0.1:9092";
        var environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(1);

        var sink = KafkaSink.<String>builder()
            .setBootstrapServers(address)
            .setRecordSerializer(KafkaRecordSerializationSchema.builder()
                .setTopic("orders")
                .setValueSerializationSchema(new SimpleStringSchema())
                .build())
            .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
            .build();
        environment.fromData(IntStream.range(0, 10).mapToObj(i -> "order " + i).toList())
            .sinkTo(sink);
        environment.execute("take orders");

        var source = KafkaSource.<String>builder()
            .setBootstrapServers(address)
            .setGroupId("billing")
            .setTopics("orders")
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setValueOnlyDeserializer(new SimpleStringSchema())
            .build();
        environment.fromSource(source, WatermarkStrategy.noWatermarks(), "orders").print();
        environment.execute("bill orders");
    }
}
