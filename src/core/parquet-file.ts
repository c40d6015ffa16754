import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer'
import { z } from 'zod'

/**
 * A Parquet file that is written in pieces, each a group of rows, by calls that share no memory: what the footer has to
 * say of the groups before travels from call to call.
 */

type Value = string | number | bigint | boolean | null

export interface ParquetColumn<Row> {
  readonly schema: SchemaElement
  readonly valueOf: (row: Row) => Value
}

const ENCODINGS = ['PLAIN', 'RLE', 'RLE_DICTIONARY'] as const

/** Of a column in a group of rows: values, bytes unpacked and packed, place of its data and of its dictionary. */
const Chunk = z.tuple([
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number().nullable(),
  z.array(z.enum(ENCODINGS)),
])
type Chunk = z.infer<typeof Chunk>

/** What was written so far: its length, and the rows and columns of each group. */
export const ParquetState = z.object({
  bytes: z.number(),
  groups: z.array(z.object({ rows: z.number(), columns: z.array(Chunk) })),
})
export type ParquetState = z.infer<typeof ParquetState>

type RowGroup = ParquetWriter['row_groups'][number]

/**
 * The next piece of a file: a group of these rows and, of the last piece, the footer.
 * @param before null: this is the first piece
 */
export function parquetPiece<Row>(
  columns: readonly ParquetColumn<Row>[],
  rows: readonly Row[],
  { before, last }: { readonly before: ParquetState | null; readonly last: boolean },
): { readonly bytes: Uint8Array; readonly state: ParquetState } {
  const schema: SchemaElement[] = [
    { name: 'root', num_children: columns.length },
    ...columns.map((column) => column.schema),
  ]
  const output = new ByteWriter(1 << 16)
  const writer = new ParquetWriter({ writer: output, schema, statistics: false, createdBy: 'crosslogic' })
  if (before !== null) {
    // The magic number that every writer begins with stands in the first piece.
    output.index = 0
    output.offset = before.bytes
  }
  if (rows.length > 0) {
    const columnData = columns.map(({ schema: { name }, valueOf }) => ({
      name,
      data: rows.map(valueOf),
      offsetIndex: false,
    }))
    // Its promise is that of a writer which flushes; this one does not.
    void writer.write({ columnData, rowGroupSize: rows.length })
  }
  const groups = [...(before?.groups ?? []), ...writer.row_groups.map(stateOf)]
  if (last) {
    writer.row_groups = groups.map((group) => groupOf(group, schema))
    writer.num_rows = BigInt(groups.reduce((sum, group) => sum + group.rows, 0))
    void writer.finish()
  }
  return { bytes: output.getBytes(), state: { bytes: output.offset, groups } }
}

function stateOf({ num_rows, columns }: RowGroup): ParquetState['groups'][number] {
  return {
    rows: Number(num_rows),
    columns: columns.map(({ meta_data: chunk }): Chunk => {
      if (chunk === undefined) throw new Error('a column chunk was written without its metadata')
      return [
        Number(chunk.num_values),
        Number(chunk.total_uncompressed_size),
        Number(chunk.total_compressed_size),
        Number(chunk.data_page_offset),
        chunk.dictionary_page_offset === undefined ? null : Number(chunk.dictionary_page_offset),
        z.array(z.enum(ENCODINGS)).parse(chunk.encodings),
      ]
    }),
  }
}

function groupOf(
  { rows, columns }: ParquetState['groups'][number],
  schema: readonly SchemaElement[],
): RowGroup {
  const chunks = columns.map(([values, unpacked, packed, data, dictionary, encodings], i) => {
    const { name, type } = schema[i + 1] ?? {}
    if (name === undefined || type === undefined) throw new Error('a column chunk that the schema has not')
    return {
      meta_data: {
        type,
        encodings,
        path_in_schema: [name],
        codec: 'SNAPPY' as const,
        num_values: BigInt(values),
        total_uncompressed_size: BigInt(unpacked),
        total_compressed_size: BigInt(packed),
        data_page_offset: BigInt(data),
        ...(dictionary !== null && { dictionary_page_offset: BigInt(dictionary) }),
      },
      file_offset: BigInt(dictionary ?? data),
    }
  })
  const sum = (at: 1 | 2) => BigInt(columns.reduce((total, column) => total + column[at], 0))
  return {
    columns: chunks,
    num_rows: BigInt(rows),
    total_byte_size: sum(1),
    total_compressed_size: sum(2),
  }
}
