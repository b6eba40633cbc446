/**
 * Carries replies to the kernel. Requests come the other way, through `Plane.received`; that a reply
 * has left through `Plane.replied`.
 */
export interface Transport {
  /**
   * Sends `length` bytes of the plane's memory from `offset`: header and payload. They must stay as
   * they are until `Plane.replied(request)`.
   * @param linked The reply waits for the transfer that was queued just before it.
   */
  reply(request: number, offset: number, length: number, linked: boolean): void;
}
