/** What the command line needs of the `.ss` format. */
export {
  isEndOfStream,
  SS_HEADER_BYTES,
  type SsBeacon,
  type SsHeader,
  type SsMessage,
} from './backends/file/ss-format.ts';
export { fileError, readSsHeader, scanSs } from './backends/file/ss-scan.ts';
export { repairSs, type SsReport, verifySs } from './backends/file/ss-verify.ts';
