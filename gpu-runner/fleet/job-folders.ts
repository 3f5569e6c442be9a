// The folders in which jobs train, one a job: the newest stay, for a job that must go on where it was.
import { readdirSync, rmSync, statSync } from "node:fs"
import path from "node:path"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"

const KEPT_JOB_FOLDERS = 3

/** Where a job trains, after folders of jobs long finished have made room. */
export function jobFolder(directory: string, jobId: string): string {
  const folder = path.join(directory, "jobs")
  prune(folder)
  return path.join(folder, jobId.replaceAll(/[^A-Za-z0-9._-]/g, "_"))
}

function prune(folder: string): void {
  makeFolder(folder)
  const byAge = readdirSync(folder)
    .map((name) => ({ name, changedMs: statSync(path.join(folder, name)).mtimeMs }))
    .sort((left, right) => right.changedMs - left.changedMs)
  for (const { name } of byAge.slice(KEPT_JOB_FOLDERS)) {
    rmSync(path.join(folder, name), { recursive: true, force: true })
  }
}
