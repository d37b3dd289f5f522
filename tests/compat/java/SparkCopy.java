// SPDX-License-Identifier: Apache-2.0
// Spark in this one process copies what its checkpoint does not know yet of topic "lines" to topic
// "copies", in capitals, up to what is there now. Then it prints how many copies there are in all,
// and how many lines since a time.
//
//     SparkCopy ADDRESS CHECKPOINT TIME_MS
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.Trigger;

public class SparkCopy {
    private static SparkSession spark;
    private static String address;

    private static DataFrameReader batch(String topic) {
        return spark.read().format("kafka").option("kafka.bootstrap.servers", address)
            .option("subscribe", topic);
    }

    public static void main(String[] arguments) throws Exception {
        address = arguments[0];
        spark = SparkSession.builder().master("local[2]").config("spark.ui.enabled", "false")
            .getOrCreate();
        spark.readStream()
            .format("kafka")
            .option("kafka.bootstrap.servers", address)
            .option("subscribe", "lines")
            .option("startingOffsets", "earliest")
            .load()
            .selectExpr("key", "upper(CAST(value AS STRING)) AS value")
            .writeStream()
            .format("kafka")
            .option("kafka.bootstrap.servers", address)
            .option("topic", "copies")
            .option("checkpointLocation", arguments[1])
            .trigger(Trigger.AvailableNow())
            .start()
            .awaitTermination();
        System.out.println("copies " + batch("copies").load().count());
        System.out.println("late " + batch("lines").option("startingTimestamp", arguments[2])
            .option("startingOffsetsByTimestampStrategy", "latest").load().count());
        spark.stop();
    }
}
