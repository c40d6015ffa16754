-- Where an instance type is offered and of which day its prices are. Deployments and nodes that are over keep no
-- region or instance type from being removed; while they run, the foreign keys do.

ALTER TABLE instance_types
  ADD COLUMN price_as_of date,
  ADD COLUMN regions text[], -- codes of the provider's regions; null: all of them
  ADD CHECK ((gpu_count = 0) = (gpu_model IS NULL)),
  ADD CHECK ((gpu_count = 0) = (gpu_memory_gb IS NULL));

CREATE INDEX regions_created_at ON regions (created_at DESC, id DESC);
CREATE INDEX instance_types_created_at ON instance_types (created_at DESC, id DESC);
CREATE INDEX deployments_region ON deployments (region_id);
CREATE INDEX deployments_instance_type ON deployments (instance_type_id);
CREATE INDEX nodes_instance_type ON nodes (instance_type_id);
CREATE INDEX nodes_region ON nodes (provider, region) WHERE status <> 'terminated';
