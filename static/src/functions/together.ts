// Messages that belong together, posted as one: each that is posted wakes a thread, and the short answers of most functions
// are three. What is more than a moment apart is not waited for.

/** Turns of promises within which the rest of a body comes that is there already. */
const turns = 24;

export class Together<Message extends { kind: string }> {
  readonly #post: (messages: Message[], transfer: Transferable[]) => void;
  #messages: Message[] = [];
  #transfer: Transferable[] = [];

  constructor(post: (messages: Message[], transfer: Transferable[]) => void) {
    this.#post = post;
  }

  /** In the order in which it is said. */
  say(message: Message, transfer: Transferable[] = []): void {
    const begins = this.#messages.length === 0;
    this.#messages.push(message);
    this.#transfer.push(...transfer);
    if (!/^(request|response|chunk|credit)$/.test(message.kind)) this.flush();
    else if (begins) void this.#soon();
  }

  async #soon(): Promise<void> {
    for (let turn = 0; turn < turns && this.#messages.length > 0; turn++) await undefined;
    this.flush();
  }

  /** What is kept goes now. */
  flush(): void {
    if (this.#messages.length === 0) return;
    const [messages, transfer] = [this.#messages, this.#transfer];
    [this.#messages, this.#transfer] = [[], []];
    this.#post(messages, transfer);
  }
}
