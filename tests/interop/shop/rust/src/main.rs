// SPDX-License-Identifier: Apache-2.0
//! One stage of the shop: takes orders from one topic, does its part, hands them to the next.
//!
//!     shop IN OUT COUNT      KAFKA_BROKERS, KAFKA_GROUP, WEIR_PLUGIN
use std::env;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", env::var("KAFKA_BROKERS").unwrap());
    if let Ok(plugin) = env::var("WEIR_PLUGIN") {
        config.set("plugin.library.paths", plugin);
    }
    config
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let (input, output) = (&arguments[1], &arguments[2]);
    let count: usize = arguments[3].parse().unwrap();

    let producer: ThreadedProducer<DefaultProducerContext> = config().create().unwrap();
    let consumer: BaseConsumer = config()
        .set("group.id", env::var("KAFKA_GROUP").unwrap())
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[input.as_str()]).unwrap();
    println!("ready rust {}", rdkafka::util::get_rdkafka_version().1);

    let mut done = 0;
    while done < count {
        let message = match consumer.poll(Duration::from_secs(1)) {
            Some(message) => message.unwrap(),
            None => continue,
        };
        let mut value = message.payload().unwrap_or_default().to_vec();
        value.extend_from_slice(b" rust");
        let record = BaseRecord::to(output).payload(&value).key(message.key().unwrap_or_default());
        producer.send(record).map_err(|(error, _)| error).unwrap();
        done += 1;
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    println!("done {count}");
}
