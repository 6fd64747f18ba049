// What the suite needs of a project's auth: the defaults of Supabase CLI, with more of it switched on.
export const settings = {
  'auth.enable_anonymous_sign_ins': 'true',
  'auth.enable_manual_linking': 'true',
  'auth.email.enable_confirmations': 'true',
  'auth.email.max_frequency': '0s',
  'auth.sms.enable_confirmations': 'true',
  'auth.sms.max_frequency': '0s',
  'auth.mfa.phone.enroll_enabled': 'true',
  'auth.mfa.phone.verify_enabled': 'true',
  'auth.mfa.phone.max_frequency': '0s',
  'auth.mfa.web_authn.enroll_enabled': 'true',
  'auth.mfa.web_authn.verify_enabled': 'true',
  'auth.passkey.enabled': 'true',
  'auth.web3.solana.enabled': 'true',
  'auth.web3.ethereum.enabled': 'true',
  'auth.oauth_server.enabled': 'true',
  'auth.oauth_server.allow_dynamic_registration': 'true',
  'auth.external.github.enabled': 'true',
  'auth.external.github.client_id': 'a-client',
  'auth.external.github.secret': 'a-secret',
  'auth.rate_limit.email_sent': '10000',
  'auth.rate_limit.sms_sent': '10000',
};

/** The same for an application at `site`, with the provider at `issuer` as keycloak, to which the gateway is `client`. */
export const settingsFor = ({ site, issuer, client }) => ({
  ...settings,
  'auth.site_url': site,
  'auth.additional_redirect_urls': `${site}/**`,
  'auth.external.keycloak.enabled': 'true',
  'auth.external.keycloak.client_id': client.client_id,
  'auth.external.keycloak.secret': client.client_secret,
  'auth.external.keycloak.url': issuer,
});

const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/** The statement that sets them in a project. */
export const settingsSql = (values = settings) => `insert into gateway.settings (name, value) values ${Object.entries(values).map(([name, value]) => `(${literal(name)}, ${literal(value)})`).join(', ')} on conflict (name) do update set value = excluded.value`;

/** The same as a file for `--config`. */
export const configFile = (values = settings) => Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join('');
