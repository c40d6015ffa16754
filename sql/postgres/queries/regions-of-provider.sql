-- Codes of a provider's regions, which stay until the transaction ends.
SELECT code FROM regions WHERE provider = $1 ORDER BY code FOR KEY SHARE
