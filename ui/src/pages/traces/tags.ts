// SPDX-License-Identifier: Apache-2.0
import { getJson } from '../../state/http';

interface Scopes { scopes?: { name: string; tags: string[] }[] }

/** Attribute names as TraceQL spells them: "span.http.route", "resource.service.name". */
export async function searchTags(): Promise<string[]> {
  const answer = await getJson<Scopes>('/api/v2/search/tags');
  return (answer.scopes ?? []).flatMap((s) =>
    (s.name === 'intrinsic' ? [] : s.tags.map((t) => `${s.name}.${t}`)));
}
