/**
 * Carries replies to the kernel. Requests come the other way, through `Plane.received`; what a reply
 * came to through `Plane.replied`.
 */
export interface Transport {
  /**
   * Sends `length` bytes of the plane's memory from `offset`: header and payload. They must stay as
   * they are until `Plane.replied(request)`.
   */
  reply(request: number, offset: number, length: number): void;
}
