// What a person would find in their mailbox or on their phone: the gateway's outbox.

/** `mail(to)` and `sms(to)` give the newest message to an address, with its `link` and `code`. */
export function outbox(base, secret) {
  const newest = async (to) => {
    const address = to.replace(/^\+/, '');
    const answer = await fetch(`${base}/gateway/outbox?query=${encodeURIComponent(address)}`, { headers: { apikey: secret } });
    if (!answer.ok) throw new Error(`the outbox answers ${answer.status}: ${await answer.text()}`);
    const { messages } = await answer.json();
    const message = messages.find(({ recipient }) => recipient.replace(/^\+/, '') === address);
    if (!message) throw new Error(`no message to ${to} in the outbox`);
    return message;
  };
  return { mail: newest, sms: newest };
}
