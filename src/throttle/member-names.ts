/** Names and numbers of members. A number is used again after its member was removed. */
export class MemberNames {
  readonly #names: string[] = [];
  readonly #free: number[] = [];

  /** The most members there ever were. Numbers of members are below it. */
  get highWater(): number {
    return this.#names.length;
  }

  add(name: string): number {
    const member = this.#free.pop() ?? this.#names.length;
    this.#names[member] = name;
    return member;
  }

  remove(member: number): void {
    this.#free.push(member);
  }

  of(member: number): string {
    return this.#names[member];
  }
}
