/** DeleteTopics 1-6. 4: flexible. 5: error message. 6: by id (KIP-516). Versions to 5 fill `topicNames`, 6 `topics`. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { ZERO_UUID } from '../reader.ts';
import { array, int16, int32, string, structs, throttleTimeMs, uuid } from '../schema.ts';

export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexible: 4,
  request: {
    topics: structs(
      { name: string({ nullable: 0, default: null }), topicId: uuid({ default: ZERO_UUID }) },
      { since: 6, default: [] },
    ),
    topicNames: array(string(), { until: 5, default: [] }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    responses: structs({
      name: string({ nullable: 6 }),
      topicId: uuid({ since: 6, default: ZERO_UUID }),
      errorCode: int16(),
      errorMessage: string({ since: 5, nullable: 5, default: null }),
    }),
  },
});

export type DeleteTopicsRequest = RequestOf<typeof deleteTopics>;
export type DeleteTopicsResponse = ResponseOf<typeof deleteTopics>;
