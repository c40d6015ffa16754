-- Taken before the row of the first model by whoever changes which models a route names: two changes that are each fine
-- could make a loop together, and each wait for the model that the other has locked. The number is "routes" in ASCII.
SELECT pg_advisory_xact_lock(x'726f75746573'::bigint)
