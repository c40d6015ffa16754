-- Where an instance type is offered; and the foreign keys of the catalogue hold rows that are referred to again: a
-- deployment that begins while its region is deleted must not lose it.

ALTER TABLE instance_types
  ADD COLUMN regions text[], -- codes of the provider's regions; null: all of them
  -- Of rows that are written from now on.
  ADD CHECK ((gpu_count = 0) = (gpu_model IS NULL)) NOT VALID,
  ADD CHECK ((gpu_count = 0) = (gpu_memory_gb IS NULL)) NOT VALID;

ALTER TABLE deployments DROP CONSTRAINT deployments_region_id_fkey, DROP CONSTRAINT deployments_instance_type_id_fkey,
  ADD FOREIGN KEY (region_id) REFERENCES regions, ADD FOREIGN KEY (instance_type_id) REFERENCES instance_types;
ALTER TABLE nodes DROP CONSTRAINT nodes_instance_type_id_fkey, ADD FOREIGN KEY (instance_type_id) REFERENCES instance_types;

CREATE INDEX regions_created_at ON regions (created_at DESC, id DESC);
CREATE INDEX instance_types_created_at ON instance_types (created_at DESC, id DESC);
CREATE INDEX deployments_region ON deployments (region_id);
CREATE INDEX deployments_instance_type ON deployments (instance_type_id);
CREATE INDEX nodes_instance_type ON nodes (instance_type_id);
CREATE INDEX nodes_region ON nodes (provider, region) WHERE status <> 'terminated';
