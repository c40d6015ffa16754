import tseslint from 'typescript-eslint'

/**
 * Import direction: core <- io <- { proxy, admin, workers } <- main.
 * Siblings never import each other; nothing under src/ imports bench/ or test/. src/core/client stands alone.
 */
const forbid = (files, patterns, message) => ({
  files,
  rules: {
    '@typescript-eslint/no-restricted-imports': ['error', { patterns: [{ regex: patterns, message }] }],
  },
})

const upward = (folders) => `^(\\.\\./)+(src/)?(${folders})(/|$)`

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'data/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked, tseslint.configs.stylistic],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  forbid(
    ['src/core/**/*.ts'],
    `${upward('io|proxy|admin|workers|main\\.js|bench|test')}|^node:(fs|net|http|https|tls|child_process|worker_threads|cluster|dns)`,
    'core is pure: it imports nothing from outside src/core and does no I/O.',
  ),
  forbid(['src/io/**/*.ts'], upward('proxy|admin|workers|main\\.js|bench|test'), 'io may import core alone.'),
  forbid(
    ['src/proxy/**/*.ts'],
    upward('admin|workers|main\\.js|bench|test'),
    'proxy may import core and io alone.',
  ),
  forbid(
    ['src/admin/**/*.ts'],
    upward('proxy|workers|main\\.js|bench|test'),
    'admin may import core and io alone.',
  ),
  forbid(
    ['src/workers/**/*.ts'],
    upward('proxy|admin|main\\.js|bench|test'),
    'workers may import core and io alone.',
  ),
  {
    files: ['src/core/client/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [{ regex: '^(?!\\./)', message: 'the client is for users: it stands alone, on fetch.' }],
        },
      ],
    },
  },
  forbid(['src/main.ts'], upward('bench|test'), 'the product never imports its bench or tests.'),
  {
    files: ['test/**/*.ts'],
    rules: {
      // node:test's test() and describe() return promises that the runner itself awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', name: ['test', 'describe', 'it', 'suite'], package: 'node:test' },
          ],
        },
      ],
    },
  },
  { files: ['bench/**/*.ts', 'test/run.ts'], rules: { 'no-console': 'off' } },
)
