"""What python.slice.ts asks of two Python clients, one call of a process each.

  exchange.py LIBRARY send BROKER TOPIC CODEC    records from stdin, a line of JSON each: {"key": "...", "value": "..."}
  exchange.py LIBRARY receive BROKER TOPIC GROUP COUNT    the same to stdout, and commits
  exchange.py confluent transact BROKER TOPIC    one transaction that is committed, one that is aborted
  exchange.py LIBRARY administer BROKER TOPIC    creates it with 3 partitions, prints how many it sees, deletes it

LIBRARY is "kafka" (python-kafka, all Python) or "confluent" (confluent-kafka, on librdkafka).
"""
import json
import sys


def lines():
    return [json.loads(line) for line in sys.stdin]


def show(key, value):
    print(json.dumps({"key": key.decode() if key is not None else None, "value": value.decode()}))


def confluent_send(broker, topic, codec):
    from confluent_kafka import Producer

    failures = []
    producer = Producer({"bootstrap.servers": broker, "compression.type": codec, "enable.idempotence": True})
    for record in lines():
        producer.produce(
            topic, record["value"], record["key"], on_delivery=lambda error, _: failures.append(error) if error else None
        )
        producer.poll(0)
    if producer.flush(60) != 0 or failures:
        raise SystemExit(f"not delivered: {failures[:3]}")


def confluent_receive(broker, topic, group, count, isolation="read_uncommitted"):
    from confluent_kafka import Consumer

    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    left = int(count)
    while left > 0:
        for message in consumer.consume(min(left, 500), 1.0):
            if message.error() is not None:
                raise SystemExit(str(message.error()))
            show(message.key(), message.value())
            left -= 1
    consumer.commit(asynchronous=False)
    consumer.close()


def confluent_transact(broker, topic):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker, "transactional.id": "from-python"})
    producer.init_transactions(30)
    for value, end in (("aborted", producer.abort_transaction), ("committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        end(30)
    confluent_receive(broker, topic, "readers-of-transactions", 1, "read_committed")


def confluent_administer(broker, topic):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(30)
    print(len(admin.list_topics(topic, 30).topics[topic].partitions))
    admin.delete_topics([topic])[topic].result(30)


def kafka_send(broker, topic, codec):
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker, compression_type=None if codec == "none" else codec, acks="all")
    sent = [producer.send(topic, record["value"].encode(), record["key"].encode()) for record in lines()]
    producer.flush(60)
    for future in sent:
        future.get(60)
    producer.close()


def kafka_receive(broker, topic, group, count):
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    left = int(count)
    while left > 0:
        for records in consumer.poll(1000, left).values():
            for record in records:
                show(record.key, record.value)
                left -= 1
    consumer.commit()
    consumer.close()


def kafka_administer(broker, topic):
    from kafka import KafkaConsumer
    from kafka.admin import KafkaAdminClient, NewTopic

    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(topic, 3, 1)])
    consumer = KafkaConsumer(bootstrap_servers=broker)
    print(len(consumer.partitions_for_topic(topic)))
    consumer.close()
    admin.delete_topics([topic])
    admin.close()


if __name__ == "__main__":
    globals()[f"{sys.argv[1]}_{sys.argv[2]}"](*sys.argv[3:])
