/** DescribeConfigs 1-4. 1: source and synonyms (KIP-226). 3: type and documentation (KIP-569). 4: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, boolean, int8, int16, string, structs, throttleTimeMs } from '../schema.ts';

export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexible: 4,
  request: {
    resources: structs({
      /** 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group. */
      resourceType: int8(),
      resourceName: string(),
      /** Null: all. */
      configurationKeys: array(string(), { nullable: 0 }),
    }),
    includeSynonyms: boolean({ default: false }),
    includeDocumentation: boolean({ since: 3, default: false, strict: true }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    results: structs({
      errorCode: int16(),
      errorMessage: string({ nullable: 0 }),
      resourceType: int8(),
      resourceName: string(),
      configs: structs({
        name: string(),
        value: string({ nullable: 0 }),
        readOnly: boolean(),
        /** 1 topic, 2 dynamic broker, 3 dynamic default broker, 4 static broker, 5 default. */
        configSource: int8({ default: -1 }),
        isSensitive: boolean(),
        synonyms: structs({ name: string(), value: string({ nullable: 0 }), source: int8() }, { default: [] }),
        /** 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password; 0 unknown. */
        configType: int8({ since: 3, default: 0 }),
        documentation: string({ since: 3, nullable: 0, default: null }),
      }),
    }),
  },
});

export type DescribeConfigsRequest = RequestOf<typeof describeConfigs>;
export type DescribeConfigsResponse = ResponseOf<typeof describeConfigs>;
