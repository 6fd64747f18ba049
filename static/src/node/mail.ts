// Mails to the mail server that the settings name.

/** A mail as the gateway writes it. */
interface Mail {
  server: { host: string; port: number; user: string; password: string };
  id: string;
  from: string;
  to: string;
  subject: string;
  html: string;
  text: string;
}

/** How long a server may take for each step, in milliseconds: the request for the mail waits meanwhile. */
const patience = 10_000;

/** Hands a mail to its server; an empty text, or why the server did not take it. */
export async function deliver(json: string): Promise<string> {
  const { server, id, from, to, subject, html, text } = JSON.parse(json) as Mail;
  const { host, port, user, password } = server;
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    host,
    port,
    // Elsewhere the connection is encrypted as soon as the server offers it.
    secure: port === 465,
    ...(user && { auth: { user, pass: password } }),
    connectionTimeout: patience,
    greetingTimeout: patience,
    socketTimeout: patience,
    // What stands in a mail is text: no file and no address is read for it.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    // The address is one: commas and brackets in it are its own.
    await transport.sendMail({ messageId: `<${id}@gateway>`, from, to: { name: '', address: to }, subject, html, text });
    return '';
  } catch (error) {
    return (error instanceof Error && error.message) || 'The mail server did not take the mail';
  } finally {
    transport.close();
  }
}
