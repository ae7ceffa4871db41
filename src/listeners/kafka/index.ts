/** The Kafka listener's public face. */
export type { Endpoint } from './handler.ts';
export { KafkaListener, type KafkaListenerOptions } from './listener.ts';
export type { KafkaMetrics } from './metrics.ts';
export { DEFAULT_KAFKA_SETTINGS, type KafkaListenerSettings } from './settings.ts';
