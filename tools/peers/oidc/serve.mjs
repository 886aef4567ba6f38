// An independent OpenID Connect provider on a free port that it prints: oidc-provider with its own log-in pages.
// Argument: seconds that an access token lives. Refresh tokens turn: one that is used twice ends the whole grant, as at
// Pro Santé Connect. For tests only: any name and any password are taken.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const seconds = Number(process.argv[2] ?? 60);
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'pli', client_secret: 'kept-in-a-file', token_endpoint_auth_method: 'client_secret_post',
        grant_types: ['authorization_code', 'refresh_token'], redirect_uris: ['http://127.0.0.1:1/callback'],
        application_type: 'native',
      },
      {
        client_id: 'dovecot', client_secret: 'secret', token_endpoint_auth_method: 'client_secret_basic',
        grant_types: [], response_types: [], redirect_uris: [],
      },
    ],
    scopes: ['openid', 'offline_access'],
    features: { introspection: { enabled: true, allowedPolicy: () => true }, revocation: { enabled: true } },
    ttl: { AccessToken: seconds, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600, IdToken: 600 },
    rotateRefreshToken: true,
    extraTokenClaims: (_, token) => ({ username: token.accountId }),
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    cookies: { keys: ['tests only'] },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.on('end', () => process.exit()).resume();
