import test from 'ava';
import { TableNews } from '../../src/plane/table-news.js';

const SECOND = 1e9;

test('a fault is told when it has lasted a second, and each image tells one in ten', (t) => {
  const told: string[] = [];
  const news = new TableNews((text) => told.push(text));
  t.is(news.tellAtNs, Infinity);
  news.read('/a', ['broken'], 0);
  news.read('/a', [], 0.5 * SECOND);
  t.is(news.tellAtNs, Infinity);
  news.read('/a', ['one', 'two'], 1 * SECOND);
  news.read('/b', ['other'], 1.5 * SECOND);
  t.is(news.tellAtNs, 2 * SECOND);
  news.tell(2 * SECOND);
  t.deepEqual(told.splice(0), ['/a: partition table: one; two']);
  news.read('/a', ['three'], 3 * SECOND);
  t.is(news.tellAtNs, 2.5 * SECOND);
  news.tell(2.5 * SECOND);
  t.deepEqual(told.splice(0), ['/b: partition table: other']);
  t.is(news.tellAtNs, 12 * SECOND);
  news.read('/a', ['four'], 11.5 * SECOND);
  t.is(news.tellAtNs, 12.5 * SECOND);
  news.tell(Infinity);
  t.deepEqual(told, ['/a: partition table: four']);
  t.is(news.tellAtNs, Infinity);
});
