#!/bin/sh
# Stands where librdkafka's tests look for Kafka's own script ($KAFKA_PATH/bin), and does what they ask of it.
exec "${MILLRACE_NODE:-node}" "$(dirname "$0")/../kafka-topics.ts" "$@"
