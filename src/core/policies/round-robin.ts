import { candidateAt, type Policy } from './policy.js'

/** Each candidate in turn; when the set changes, the turn goes on at the same place. */
export function createRoundRobin(): Policy {
  let turn = -1
  return (candidates) => {
    turn = (turn + 1) % candidates.length
    return candidateAt(candidates, turn)
  }
}
