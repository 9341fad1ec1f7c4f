// SPDX-License-Identifier: Apache-2.0
// One stage of the shop: takes orders from one topic, does its part, hands them to the next.
//
//	shop IN OUT COUNT      KAFKA_BROKERS, KAFKA_GROUP, WEIR_PLUGIN
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func config() *kafka.ConfigMap {
	config := &kafka.ConfigMap{"bootstrap.servers": os.Getenv("KAFKA_BROKERS")}
	if plugin := os.Getenv("WEIR_PLUGIN"); plugin != "" {
		config.SetKey("plugin.library.paths", plugin)
	}
	return config
}

func main() {
	in, out := os.Args[1], os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])

	producer, err := kafka.NewProducer(config())
	if err != nil {
		log.Fatal(err)
	}
	consuming := config()
	consuming.SetKey("group.id", os.Getenv("KAFKA_GROUP"))
	consuming.SetKey("auto.offset.reset", "earliest")
	consumer, err := kafka.NewConsumer(consuming)
	if err != nil {
		log.Fatal(err)
	}
	consumer.Subscribe(in, nil)
	_, version := kafka.LibraryVersion()
	fmt.Println("ready go", version)

	for done := 0; done < count; {
		message, err := consumer.ReadMessage(-1)
		if err != nil {
			log.Fatal(err)
		}
		delivered := make(chan kafka.Event, 1)
		err = producer.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &out, Partition: kafka.PartitionAny},
			Key:            message.Key,
			Value:          append(message.Value, " go"...),
		}, delivered)
		if err != nil {
			log.Fatal(err)
		}
		if sent := (<-delivered).(*kafka.Message); sent.TopicPartition.Error != nil {
			log.Fatal(sent.TopicPartition.Error)
		}
		done++
	}
	consumer.Close()
	producer.Close()
	fmt.Println("done", count)
}
