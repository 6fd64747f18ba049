mod called;
mod database;
mod deployed;
mod kept;
