// SPDX-License-Identifier: Apache-2.0
// Flink in this one process copies what group "flink" has not read yet of topic "lines" to topic
// "copies", in capitals, at least once: up to what is there now, or until it is told to end.
//
//     FlinkCopy ADDRESS bounded|endless
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;

public class FlinkCopy {
    public static void main(String[] arguments) throws Exception {
        String address = arguments[0];
        var source = KafkaSource.<String>builder()
            .setBootstrapServers(address)
            .setGroupId("flink")
            .setTopics("lines")
            .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
            .setValueOnlyDeserializer(new SimpleStringSchema());
        if (arguments[1].equals("bounded")) {
            source.setBounded(OffsetsInitializer.latest());
        }
        var sink = KafkaSink.<String>builder()
            .setBootstrapServers(address)
            .setRecordSerializer(KafkaRecordSerializationSchema.builder()
                .setTopic("copies")
                .setValueSerializationSchema(new SimpleStringSchema())
                .build())
            .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
            .build();

        var environment = StreamExecutionEnvironment.createLocalEnvironment(2);
        environment.enableCheckpointing(500);
        environment
            .fromSource(source.build(), WatermarkStrategy.noWatermarks(), "lines")
            .map(line -> line.toUpperCase())
            .sinkTo(sink);
        environment.execute();
    }
}
