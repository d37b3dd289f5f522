// SPDX-License-Identifier: Apache-2.0

// Ten records to a topic, and back in a consumer group: kafka-go.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/segmentio/kafka-go"
)

func main() {
	address := "127.0.0.1:9092"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	ctx := context.Background()
	writer := &kafka.Writer{Addr: kafka.TCP(address), Topic: "orders",
		RequiredAcks: kafka.RequireAll, AllowAutoTopicCreation: true}
	for i := 0; i < 10; i++ {
		message := kafka.Message{Value: []byte(fmt.Sprint("order ", i))}
		if err := writer.WriteMessages(ctx, message); err != nil {
			log.Fatal(err)
		}
	}
	writer.Close()

	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{address}, GroupID: "billing", Topic: "orders"})
	for i := 0; i < 10; i++ {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(message.Value))
	}
	reader.Close()
}
