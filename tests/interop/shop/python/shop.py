# SPDX-License-Identifier: Apache-2.0
"""One stage of the shop: takes orders from one topic, does its part, hands them to the next.

    shop.py IN OUT COUNT      KAFKA_BROKERS, KAFKA_GROUP, WEIR_PLUGIN
"""
import os
import sys

import confluent_kafka

config = {"bootstrap.servers": os.environ["KAFKA_BROKERS"]}
if os.environ.get("WEIR_PLUGIN"):
    config["plugin.library.paths"] = os.environ["WEIR_PLUGIN"]

source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
producer = confluent_kafka.Producer(config)
consumer = confluent_kafka.Consumer({**config, "group.id": os.environ["KAFKA_GROUP"], "auto.offset.reset": "earliest"})
consumer.subscribe([source])
print("ready python", confluent_kafka.libversion()[0], flush=True)

done = 0
while done < count:
    message = consumer.poll(1)
    if message is None:
        continue
    if message.error():
        sys.exit(str(message.error()))
    producer.produce(target, key=message.key(), value=message.value() + b" python")
    done += 1
producer.flush()
consumer.close()
print("done", count)
