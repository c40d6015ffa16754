-- Where GPU nodes can be had: regions and instance types of the providers that are launched on most, and of this machine.
-- On-demand list prices in dollars per hour, of each provider's largest US region, on the date beside them. Prices change, differ by
-- region and by contract: an operator sets their own (docs/catalogue.md). What is there already is left as it is.

ALTER TABLE instance_types ADD COLUMN price_as_of date;

-- What was terminated does not hold a row of the catalogue.
ALTER TABLE deployments DROP CONSTRAINT deployments_region_id_fkey,
  ADD FOREIGN KEY (region_id) REFERENCES regions ON DELETE SET NULL,
  DROP CONSTRAINT deployments_instance_type_id_fkey,
  ADD FOREIGN KEY (instance_type_id) REFERENCES instance_types ON DELETE SET NULL;
ALTER TABLE nodes DROP CONSTRAINT nodes_instance_type_id_fkey,
  ADD FOREIGN KEY (instance_type_id) REFERENCES instance_types ON DELETE SET NULL;

-- The same id on every installation: of the row's name, marked as a UUID of version 8.
CREATE FUNCTION seed_id(name text) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
  SELECT overlay(overlay(md5(name) PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid
$$;

INSERT INTO regions (id, provider, code, name)
SELECT seed_id('region ' || provider || ' ' || code), provider, code, name
FROM (VALUES
  ('aws', 'us-east-1', 'US East (N. Virginia)'),
  ('aws', 'us-east-2', 'US East (Ohio)'),
  ('aws', 'us-west-1', 'US West (N. California)'),
  ('aws', 'us-west-2', 'US West (Oregon)'),
  ('aws', 'ca-central-1', 'Canada (Central)'),
  ('aws', 'eu-west-1', 'Europe (Ireland)'),
  ('aws', 'eu-west-2', 'Europe (London)'),
  ('aws', 'eu-central-1', 'Europe (Frankfurt)'),
  ('aws', 'eu-north-1', 'Europe (Stockholm)'),
  ('aws', 'ap-northeast-1', 'Asia Pacific (Tokyo)'),
  ('aws', 'ap-northeast-2', 'Asia Pacific (Seoul)'),
  ('aws', 'ap-southeast-1', 'Asia Pacific (Singapore)'),
  ('aws', 'ap-southeast-2', 'Asia Pacific (Sydney)'),
  ('aws', 'ap-south-1', 'Asia Pacific (Mumbai)'),
  ('aws', 'sa-east-1', 'South America (São Paulo)'),
  ('azure', 'eastus', 'East US'),
  ('azure', 'eastus2', 'East US 2'),
  ('azure', 'southcentralus', 'South Central US'),
  ('azure', 'westus2', 'West US 2'),
  ('azure', 'westus3', 'West US 3'),
  ('azure', 'canadacentral', 'Canada Central'),
  ('azure', 'northeurope', 'North Europe'),
  ('azure', 'westeurope', 'West Europe'),
  ('azure', 'uksouth', 'UK South'),
  ('azure', 'francecentral', 'France Central'),
  ('azure', 'germanywestcentral', 'Germany West Central'),
  ('azure', 'swedencentral', 'Sweden Central'),
  ('azure', 'japaneast', 'Japan East'),
  ('azure', 'koreacentral', 'Korea Central'),
  ('azure', 'southeastasia', 'Southeast Asia'),
  ('azure', 'australiaeast', 'Australia East'),
  ('azure', 'centralindia', 'Central India'),
  ('gcp', 'us-central1', 'Iowa'),
  ('gcp', 'us-east1', 'South Carolina'),
  ('gcp', 'us-east4', 'Northern Virginia'),
  ('gcp', 'us-west1', 'Oregon'),
  ('gcp', 'us-west4', 'Las Vegas'),
  ('gcp', 'europe-west1', 'Belgium'),
  ('gcp', 'europe-west4', 'Netherlands'),
  ('gcp', 'asia-east1', 'Taiwan'),
  ('gcp', 'asia-northeast1', 'Tokyo'),
  ('gcp', 'asia-northeast3', 'Seoul'),
  ('gcp', 'asia-southeast1', 'Singapore'),
  ('gcp', 'asia-south1', 'Mumbai'),
  ('lambda', 'us-east-1', 'Virginia, USA'),
  ('lambda', 'us-midwest-1', 'Illinois, USA'),
  ('lambda', 'us-south-1', 'Texas, USA'),
  ('lambda', 'us-west-1', 'California, USA'),
  ('lambda', 'us-west-2', 'Arizona, USA'),
  ('lambda', 'us-west-3', 'Utah, USA'),
  ('lambda', 'europe-central-1', 'Germany'),
  ('lambda', 'asia-south-1', 'India'),
  ('lambda', 'asia-northeast-1', 'Osaka, Japan'),
  ('lambda', 'me-west-1', 'Israel')
) AS seed (provider, code, name)
ON CONFLICT (provider, code) DO NOTHING;

INSERT INTO instance_types (
  id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, price_on_demand_micros, price_as_of
)
SELECT seed_id('instance type ' || provider || ' ' || name), provider, name, vcpus, memory_gb, gpu_model, gpu_count,
  gpu_memory_gb, (price * 1000000)::bigint, price_as_of::date
FROM (VALUES
  -- provider, name, vCPUs, GB of memory, GPU, GPUs, GB of each, $/h, as of
  ('aws', 'g4dn.xlarge', 4, 16, 'T4', 1, 16, 0.526, '2024-10-01'),
  ('aws', 'g4dn.12xlarge', 48, 192, 'T4', 4, 16, 3.912, '2024-10-01'),
  ('aws', 'g5.xlarge', 4, 16, 'A10G', 1, 24, 1.006, '2024-10-01'),
  ('aws', 'g5.2xlarge', 8, 32, 'A10G', 1, 24, 1.212, '2024-10-01'),
  ('aws', 'g5.12xlarge', 48, 192, 'A10G', 4, 24, 5.672, '2024-10-01'),
  ('aws', 'g5.48xlarge', 192, 768, 'A10G', 8, 24, 16.288, '2024-10-01'),
  ('aws', 'g6.xlarge', 4, 16, 'L4', 1, 24, 0.8048, '2024-10-01'),
  ('aws', 'g6.12xlarge', 48, 192, 'L4', 4, 24, 4.6016, '2024-10-01'),
  ('aws', 'g6.48xlarge', 192, 768, 'L4', 8, 24, 13.3504, '2024-10-01'),
  ('aws', 'g6e.xlarge', 4, 32, 'L40S', 1, 48, 1.861, '2024-10-01'),
  ('aws', 'g6e.12xlarge', 48, 384, 'L40S', 4, 48, 10.49264, '2024-10-01'),
  ('aws', 'g6e.48xlarge', 192, 1536, 'L40S', 8, 48, 30.13118, '2024-10-01'),
  ('aws', 'p4d.24xlarge', 96, 1152, 'A100', 8, 40, 32.7726, '2024-10-01'),
  ('aws', 'p4de.24xlarge', 96, 1152, 'A100', 8, 80, 40.96576, '2024-10-01'),
  ('aws', 'p5.48xlarge', 192, 2048, 'H100', 8, 80, 98.32, '2024-10-01'),
  ('azure', 'Standard_NC4as_T4_v3', 4, 28, 'T4', 1, 16, 0.526, '2024-10-01'),
  ('azure', 'Standard_NC64as_T4_v3', 64, 440, 'T4', 4, 16, 4.352, '2024-10-01'),
  ('azure', 'Standard_NV36ads_A10_v5', 36, 440, 'A10', 1, 24, 3.2, '2024-10-01'),
  ('azure', 'Standard_NC24ads_A100_v4', 24, 220, 'A100', 1, 80, 3.673, '2024-10-01'),
  ('azure', 'Standard_NC48ads_A100_v4', 48, 440, 'A100', 2, 80, 7.346, '2024-10-01'),
  ('azure', 'Standard_NC96ads_A100_v4', 96, 880, 'A100', 4, 80, 14.692, '2024-10-01'),
  ('azure', 'Standard_ND96asr_v4', 96, 900, 'A100', 8, 40, 27.197, '2024-10-01'),
  ('azure', 'Standard_ND96amsr_A100_v4', 96, 1900, 'A100', 8, 80, 32.77, '2024-10-01'),
  ('azure', 'Standard_NC40ads_H100_v5', 40, 320, 'H100', 1, 94, 6.98, '2024-10-01'),
  ('azure', 'Standard_NC80adis_H100_v5', 80, 640, 'H100', 2, 94, 13.96, '2024-10-01'),
  ('azure', 'Standard_ND96isr_H100_v5', 96, 1900, 'H100', 8, 80, 98.32, '2024-10-01'),
  ('gcp', 'g2-standard-4', 4, 16, 'L4', 1, 24, 0.7068, '2024-10-01'),
  ('gcp', 'g2-standard-8', 8, 32, 'L4', 1, 24, 0.8536, '2024-10-01'),
  ('gcp', 'g2-standard-24', 24, 96, 'L4', 2, 24, 2.0009, '2024-10-01'),
  ('gcp', 'g2-standard-48', 48, 192, 'L4', 4, 24, 4.0018, '2024-10-01'),
  ('gcp', 'g2-standard-96', 96, 384, 'L4', 8, 24, 8.0035, '2024-10-01'),
  ('gcp', 'a2-highgpu-1g', 12, 85, 'A100', 1, 40, 3.6734, '2024-10-01'),
  ('gcp', 'a2-highgpu-8g', 96, 680, 'A100', 8, 40, 29.3871, '2024-10-01'),
  ('gcp', 'a2-ultragpu-1g', 12, 170, 'A100', 1, 80, 5.0688, '2024-10-01'),
  ('gcp', 'a2-ultragpu-8g', 96, 1360, 'A100', 8, 80, 40.5504, '2024-10-01'),
  ('gcp', 'a3-highgpu-8g', 208, 1872, 'H100', 8, 80, 88.25, '2024-10-01'),
  ('lambda', 'gpu_1x_a10', 30, 200, 'A10', 1, 24, 0.75, '2024-10-01'),
  ('lambda', 'gpu_1x_a6000', 14, 100, 'RTX A6000', 1, 48, 0.8, '2024-10-01'),
  ('lambda', 'gpu_1x_a100_sxm4', 30, 200, 'A100', 1, 40, 1.29, '2024-10-01'),
  ('lambda', 'gpu_8x_a100', 124, 1800, 'A100', 8, 40, 10.32, '2024-10-01'),
  ('lambda', 'gpu_8x_a100_80gb_sxm4', 240, 1800, 'A100', 8, 80, 14.32, '2024-10-01'),
  ('lambda', 'gpu_1x_h100_pcie', 26, 200, 'H100', 1, 80, 2.49, '2024-10-01'),
  ('lambda', 'gpu_8x_h100_sxm5', 208, 1800, 'H100', 8, 80, 23.92, '2024-10-01'),
  ('local', 'simulated', 1, 1, NULL, 0, NULL, 0, NULL)
) AS seed (provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, price, price_as_of)
ON CONFLICT (provider, name) DO NOTHING;

DROP FUNCTION seed_id;
