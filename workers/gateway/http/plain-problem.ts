// A problem as a response where no route has begun yet.

interface Told {
  readonly type: string
  readonly status: number
  readonly title: string
  readonly detail?: string | undefined
}

export const problemResponse = ({ type, status, title, detail }: Told): Response =>
  Response.json({ type, status, title, detail }, { status, headers: { "content-type": "application/problem+json" } })
