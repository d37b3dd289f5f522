// SPDX-License-Identifier: Apache-2.0
// Ten records to a topic by a batch, and back by a stream: Spark.
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.Trigger;

public class SparkOrders {
    public static void main(String[] arguments) throws Exception {
        String address = arguments.length > 0 ? arguments[0] : "127.0.0.1:9092";
        var spark = SparkSession.builder().master("local[2]").appName("orders").getOrCreate();

        spark.range(10).selectExpr("concat('order ', id) AS value")
            .write()
            .format("kafka")
            .option("kafka.bootstrap.servers", address)
            .option("topic", "orders")
            .save();

        VoidFunction2<Dataset<Row>, Long> bill = (batch, id) ->
            batch.collectAsList().forEach(row -> System.out.println(row.getString(0)));
        spark.readStream()
            .format("kafka")
            .option("kafka.bootstrap.servers", address)
            .option("subscribe", "orders")
            .option("startingOffsets", "earliest")
            .load()
            .selectExpr("CAST(value AS STRING)")
            .writeStream()
            .foreachBatch(bill)
            .trigger(Trigger.AvailableNow())
            .start()
            .awaitTermination();
        spark.stop();
    }
}
