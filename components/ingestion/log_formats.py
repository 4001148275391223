"""The formats of log files, by name."""

from clickwright.components.ingestion.csv_log import CsvLog
from clickwright.components.ingestion.log_file import LogFile
from clickwright.components.ingestion.parquet_log import ParquetLog
from clickwright.components.ingestion.tfrecord_log import TFRecordLog

LOG_FORMATS: dict[str, type[LogFile]] = {
    "parquet": ParquetLog,
    "csv": CsvLog,
    "tfrecord": TFRecordLog,
}
