/** The demo's database: a small issue tracker, and statements that keep it busy. */

const ISSUES_INITIAL = 200;
const ISSUES_MAX = 400;

export const SCHEMA_SQL = `
CREATE TABLE projects (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  is_active boolean NOT NULL DEFAULT true
);
CREATE TYPE issue_status AS ENUM ('open', 'doing', 'done');
CREATE TABLE issues (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project_id int NOT NULL REFERENCES projects ON DELETE CASCADE,
  title text NOT NULL,
  status issue_status NOT NULL DEFAULT 'open',
  priority int NOT NULL DEFAULT 3,
  labels text[] NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE comments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  issue_id bigint NOT NULL REFERENCES issues ON DELETE CASCADE,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON issues (project_id);
CREATE INDEX ON comments (issue_id);

INSERT INTO projects (name) VALUES ('Website'), ('Mobile app'), ('Billing');
INSERT INTO issues (project_id, title, status, priority)
  SELECT 1 + n % 3, 'Issue number ' || n, (enum_range(NULL::issue_status))[1 + n % 3], 1 + n % 5
  FROM generate_series(1, ${ISSUES_INITIAL}) AS n;
INSERT INTO comments (issue_id, body)
  SELECT 1 + n % ${ISSUES_INITIAL}, 'Comment number ' || n FROM generate_series(1, 300) AS n;
`;

const VERBS = ["Fix", "Improve", "Remove", "Document", "Test"];
const THINGS = ["the login page", "search", "invoices", "the settings", "push messages", "exports"];

const SOME_ISSUE = "(SELECT id FROM issues ORDER BY random() LIMIT 1)";

/**
 * The next write: one statement. `random` gives numbers from 0 to below 1. The number of issues stays
 * between bounds, however long it goes on.
 */
export function nextWrite(random: () => number): string {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)];
  const title = `${pick(VERBS)} ${pick(THINGS)}`;
  const dice = random();
  if (dice < 0.3) {
    return `INSERT INTO issues (project_id, title, priority)
      SELECT id, '${title}', ${
      1 + Math.floor(random() * 5)
    } FROM projects ORDER BY random() LIMIT 1`;
  }
  if (dice < 0.7) {
    return `UPDATE issues SET status = '${pick(["open", "doing", "done"])}', updated_at = now()
      WHERE id = ${SOME_ISSUE}`;
  }
  if (dice < 0.9) {
    return `INSERT INTO comments (issue_id, body)
      SELECT ${SOME_ISSUE}, '${title}, please' WHERE EXISTS (SELECT FROM issues)`;
  }
  return `DELETE FROM issues WHERE id IN (
      SELECT id FROM issues ORDER BY id
      LIMIT greatest(1, (SELECT count(*) FROM issues) - ${ISSUES_MAX}))`;
}
