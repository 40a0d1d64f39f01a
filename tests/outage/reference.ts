/**
 * How the reference server, ElectricSQL 1.7.12, fared in the same outages, on Postgres 15 with five
 * official clients and about 20 small transactions a second. "a · b": two rounds.
 */

export interface ReferenceRow {
  readonly id: string;
  readonly title: string;
  readonly answered: string;
  readonly stalest: string;
  readonly fresh: string;
  readonly sentBack: string;
  readonly remarks: string;
}

export const REFERENCE: readonly ReferenceRow[] = [
  {
    id: "1",
    title: "walsender killed",
    answered: "100 % / 100 %",
    stalest: "0.0 / 0.0",
    fresh: "0.2 / 1.4",
    sentBack: "0 of 5",
    remarks: "nobody notices",
  },
  {
    id: "2",
    title: "slot held, 20 s",
    answered: "10 % · 6 % / 10 % · 0 %",
    stalest: "44.9 / 35.9",
    fresh: "25 / 23",
    sentBack: "0 of 5",
    remarks: "gives up after 2 s and exits 27 to 35 s later; only a supervisor brings it back",
  },
  {
    id: "3",
    title: "slot dropped",
    answered: "98 % / 100 %",
    stalest: "20.1 / 0.0",
    fresh: "20.1 / 1.3",
    sentBack: "5 of 5",
    remarks: "all shapes purged; waiting long polls are not told for up to 20 s",
  },
  {
    id: "4",
    title: "slot invalidated",
    answered: "85 % · 88 % / 67 %",
    stalest: "20.2 / 0.0",
    fresh: "15.0 / 1.8",
    sentBack: "5 of 5",
    remarks: "503 after 5 s while the slot is held, then as 3",
  },
  {
    id: "5",
    title: "replication rejected, 20 s",
    answered: "7 % / 0 %",
    stalest: "24.1 / 17.9",
    fresh: "10.9 · 7.5 / 10.9 · 8.8",
    sentBack: "0 of 5",
    remarks: "reads of data on disk are refused, too: held for 5 s, then 503",
  },
  {
    id: "6",
    title: "publication dropped",
    answered: "97 % · 98 % / 100 %",
    stalest: "20.1 / 0.0",
    fresh: "20.0 / 1.1",
    sentBack: "5 of 5",
    remarks: "all shapes purged, as 3",
  },
  {
    id: "7a",
    title: "half-open replication socket, 25 s",
    answered: "100 % / 100 %",
    stalest: "25.0 / 24.2",
    fresh: "3.7 / 4.2",
    sentBack: "0 of 5",
    remarks: "never noticed: says up to date with old data for as long as it lasts",
  },
  {
    id: "7b",
    title: "the same, new connections too",
    answered: "100 % / 100 %",
    stalest: "25.0 / 23.3",
    fresh: "5.4 / 6.3",
    sentBack: "0 of 5",
    remarks: "as 7a",
  },
  {
    id: "8",
    title: "Postgres stopped, 15 s",
    answered: "5 % · 2 % / 0 %",
    stalest: "8.9 / 8.9",
    fresh: "10.2 / 11.9",
    sentBack: "0 of 5",
    remarks: "no reads at all, though all is on disk (all requests of the outage counted)",
  },
  {
    id: "9",
    title: "Postgres killed (-9)",
    answered: "100 % / 100 %",
    stalest: "0.4 / 0.0",
    fresh: "0.5 / 1.7",
    sentBack: "0 of 5",
    remarks: "back within the 5 s for which requests are held",
  },
  {
    id: "11a",
    title: "server killed (-9), started after 3 s",
    answered: "8 % · 44 % / 20 % · 40 %",
    stalest: "21.3 · 10.8 / 9.9",
    fresh: "18.4 · 7.8 / 8.3 · 4.4",
    sentBack: "0 of 5",
    remarks: "the official client's own waits are in it",
  },
  {
    id: "11c",
    title: "server started while Postgres is down, 15 s",
    answered: "25 % · 89 % / 86 % · 88 %",
    stalest: "16.8 · 1.0 / 15.7",
    fresh: "1.6 / 2.2",
    sentBack: "5 of 5",
    remarks: "known shapes are served; all clients are sent back when Postgres returns",
  },
  {
    id: "12",
    title: "one transaction of 300,000 rows",
    answered: "100 % / 100 %",
    stalest: "31 (60) / 25.1",
    fresh: "over 60 / 27.0",
    sentBack: "0 of 5",
    remarks: "clients of other shapes wait for the whole transaction",
  },
];
