/** What an engine needs of the machine: where programs, libraries and GPUs are, and how to write text. */
const PASSED = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'TZ',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'VIRTUAL_ENV',
  'HF_HOME',
  'HF_HUB_CACHE',
  'XDG_CACHE_HOME',
])
const PASSED_PREFIXES = ['LC_', 'CUDA_', 'NVIDIA_', 'NCCL_', 'HIP_', 'ROCR_']

/**
 * The environment of an engine beside what its template sets. By name alone: the gateway's own holds the passwords of
 * its stores and the credentials of clouds.
 */
export function engineEnvironment(own: NodeJS.ProcessEnv): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const [name, value] of Object.entries(own)) {
    if (value === undefined) continue
    if (PASSED.has(name) || PASSED_PREFIXES.some((prefix) => name.startsWith(prefix))) passed[name] = value
  }
  return passed
}
