-- Requests first … first + count - 1 of a deterministic sequence: request n ends n steps after the start. Tenant 0 is
-- the one that is asked about. Latencies are log-normal, around medians that differ by model; 3 of 100 requests fail.
INSERT INTO usage_records
(
    request_id, tenant_id, environment_id, api_key_id, model_id, model, node_id, node, endpoint, stream,
    status, error_code, client_abort, attempts, prompt_tokens, cached_tokens, completion_tokens, counted,
    price_input_micros, price_cached_input_micros, price_output_micros, cost_nanos,
    ttft_micros, itl_micros, e2e_micros, overhead_micros, started_at, ended_at
)
WITH
    salt -> cityHash64(number, salt) AS random,
    salt -> (bitAnd(random(salt), 0xFFFFFFFF) + 0.5) / 4294967296 AS uniform,
    (salt, sigma) -> exp(sigma * sqrt(-2 * log(uniform(salt))) * cos(2 * pi() * uniform(salt + 1))) AS log_normal,
    toUInt16(random(1) % {tenants:UInt16}) AS tenant,
    toUInt16(random(2) % {models:UInt16}) AS model_number,
    random(3) % 100 >= 3 AS answered,
    toUInt64(ceil(400 * log_normal(10, 1.))) AS prompt,
    if(answered, toUInt64(ceil(150 * log_normal(12, 0.8))), 0) AS completion,
    if(answered, toUInt64((80000 + 5000 * model_number) * log_normal(14, 0.5)), NULL) AS ttft,
    if(completion > 1, toUInt64((8000 + 500 * model_number) * log_normal(16, 0.3)), NULL) AS itl,
    ifNull(ttft, 2000) + ifNull(itl, 0) * completion AS e2e,
    {start_micros:Int64} + toInt64(number * {step_micros:Float64}) AS ended
SELECT
    reinterpretAsUUID(sipHash128(number)),
    if(tenant = 0, {tenant_id:UUID}, reinterpretAsUUID(sipHash128('tenant', tenant))),
    reinterpretAsUUID(sipHash128('environment', tenant)),
    reinterpretAsUUID(sipHash128('key', tenant, random(4) % 2)),
    reinterpretAsUUID(sipHash128('model', model_number)),
    concat('bench-', leftPad(toString(model_number), 2, '0')),
    reinterpretAsUUID(sipHash128('node', model_number)),
    concat('gpu-', toString(model_number)),
    'chat.completions',
    true,
    if(answered, 200, 502),
    if(answered, '', 'upstream_error'),
    false,
    1,
    prompt,
    0,
    completion,
    'reported',
    150000,
    75000,
    600000,
    intDiv(prompt * 150000 + completion * 600000 + 500, 1000),
    ttft,
    itl,
    e2e,
    200,
    fromUnixTimestamp64Micro(ended - toInt64(e2e), 'UTC'),
    fromUnixTimestamp64Micro(ended, 'UTC')
FROM numbers({first:UInt64}, {count:UInt64})
