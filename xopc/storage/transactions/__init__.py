"""The transactions in SQL: functions of a connection, a module for each subject."""
